// SPDX-License-Identifier: Apache-2.0
/* The embedded store behind the KV interface. It converts between the server's JSON and versions,
 * and has no rules of its own: those are in store/local.h. Nobody is refused: whoever has the
 * file's key may do anything. But paths are taken literally here, while servers clean them: a path
 * with an impossible name is not changed. */

#include "kv/kv_local.h"

#include "base/clock.h"
#include "store/local.h"
#include "vault/path.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct kv_local {
	struct kv kv;
	struct local *store;
};

static struct local *store_of(struct kv *kv)
{
	return container_of(kv, struct kv_local, kv)->store;
}

static int no_memory(struct err *err)
{
	return err_set(err, ENOMEM, "no memory");
}

static int local_kv_read_version(struct kv *kv, const char *path, int64_t number,
				 struct limit limit, struct kv_version **out, struct err *err)
{
	_cleanup_json_ cJSON *data = NULL, *metadata = NULL;
	int r = local_read(store_of(kv), path, number, limit, &data, &metadata, err);

	if (r < 0)
		return r;
	r = kv_version_parse(data, metadata, out);
	if (r == -EIO)
		return err_set(err, EIO, "%s holds what is no secret", local_file(store_of(kv)));
	return r < 0 ? no_memory(err) : 0;
}

static int local_kv_read(struct kv *kv, const char *path, struct limit limit,
			 struct kv_version **out, struct err *err)
{
	return local_kv_read_version(kv, path, 0, limit, out, err);
}

static int local_kv_write(struct kv *kv, const char *path, struct kv_version *next, int64_t cas,
			  struct limit limit, struct err *err)
{
	_cleanup_json_ cJSON *data = kv_version_json(next);
	int r = data ? path_check_exact(path, err) : no_memory(err);

	if (r < 0)
		return r;
	return local_write(store_of(kv), path, data, cas, limit, &next->number, &next->created,
			   err);
}

/* A patch has seen the version that it patches. The whole version is written: it does not leave
 * this machine. */
static int local_kv_patch(struct kv *kv, const char *path, const struct kv_change *changes,
			  size_t count, struct kv_version *next, int64_t cas, struct limit limit,
			  struct err *err)
{
	_cleanup_json_ cJSON *data = kv_version_json(next);
	int r = data ? path_check_exact(path, err) : no_memory(err);

	if (r < 0)
		return r;
	return local_replace(store_of(kv), path, data, cas, limit, &next->number, &next->created,
			     err);
}

static int local_kv_mark(struct kv *kv, const char *path, const struct kv_remark *marks, size_t n,
			 int64_t number, struct limit limit, struct err *err)
{
	_cleanup_json_ cJSON *patch = kv_mark_patch(marks, n);
	int r = patch ? path_check_exact(path, err) : no_memory(err);

	if (r < 0)
		return r;
	r = local_change_metadata(store_of(kv), path, patch, limit, err);
	return r < 0 ? err_prefix(err, "the mark of a binary value cannot be set") : 0;
}

static int do_exact(struct kv *kv, const char *path, int64_t number, enum local_deed deed,
		    struct limit limit, struct err *err)
{
	int r = path_check_exact(path, err);

	return r < 0 ? r : local_do(store_of(kv), path, number, deed, limit, err);
}

static int local_kv_delete_version(struct kv *kv, const char *path, int64_t number,
				   struct limit limit, struct err *err)
{
	return do_exact(kv, path, number, LOCAL_DELETE, limit, err);
}

static int local_kv_undelete_version(struct kv *kv, const char *path, int64_t number,
				     struct limit limit, struct err *err)
{
	return do_exact(kv, path, number, LOCAL_UNDELETE, limit, err);
}

static int local_kv_destroy_version(struct kv *kv, const char *path, int64_t number,
				    struct limit limit, struct err *err)
{
	return do_exact(kv, path, number, LOCAL_DESTROY, limit, err);
}

static int local_kv_purge(struct kv *kv, const char *path, struct limit limit, struct err *err)
{
	int r = path_check_exact(path, err);

	return r < 0 ? r : local_purge(store_of(kv), path, limit, err);
}

static int local_kv_list(struct kv *kv, const char *path, struct limit limit, struct kv_list **out,
			 struct err *err)
{
	_cleanup_json_ cJSON *keys = NULL;
	int r = local_list(store_of(kv), path, limit, &keys, err);

	if (r < 0)
		return r;
	r = kv_list_parse(keys, out);
	return r < 0 ? err_set(err, -r, "the names in a folder make no sense") : 0;
}

static int local_kv_metadata(struct kv *kv, const char *path, struct limit limit, cJSON **out,
			     struct err *err)
{
	return local_metadata(store_of(kv), path, limit, out, err);
}

static int local_kv_change_metadata(struct kv *kv, const char *path, const cJSON *patch,
				    struct limit limit, struct err *err)
{
	int r = path_check_exact(path, err);

	return r < 0 ? r : local_change_metadata(store_of(kv), path, patch, limit, err);
}

static int local_kv_rights(struct kv *kv, const char *path, struct limit limit, unsigned *rights,
			   struct err *err)
{
	*rights = KV_CREATE | KV_READ | KV_UPDATE | KV_DELETE | KV_LIST | KV_PATCH;
	return 0;
}

static int local_kv_reach(struct kv *kv, const char *path, struct limit limit, enum kv_reach *out,
			  struct err *err)
{
	*out = KV_REACH_YES;
	return 0;
}

static void local_kv_free(struct kv *kv)
{
	local_close(store_of(kv));
	free(container_of(kv, struct kv_local, kv));
}

static const struct kv_ops kv_local_ops = {
	.local = true,
	.read = local_kv_read,
	.read_version = local_kv_read_version,
	.write = local_kv_write,
	.patch = local_kv_patch,
	.mark = local_kv_mark,
	.delete_version = local_kv_delete_version,
	.undelete_version = local_kv_undelete_version,
	.destroy_version = local_kv_destroy_version,
	.purge = local_kv_purge,
	.list = local_kv_list,
	.metadata = local_kv_metadata,
	.change_metadata = local_kv_change_metadata,
	.rights = local_kv_rights,
	.reach = local_kv_reach,
	.free = local_kv_free,
};

struct kv *kv_local_new(struct local *store)
{
	struct kv_local *k = calloc(1, sizeof(*k));

	if (!k) {
		local_close(store);
		return NULL;
	}
	k->kv.ops = &kv_local_ops;
	k->store = store;
	return &k->kv;
}

int embedded_take(struct embedded *e, const struct conf *c, const char *source, struct err *err)
{
	int r = local_source_parse(source, &e->file, &e->path, err);

	if (r == 0)
		r = path_check(e->path, err);
	return r < 0 ? r : store_key_read("key", c->key, &e->key, err);
}

int embedded_open_store(const struct embedded *e, const struct conf *c, bool create, bool alone,
			bool verify, struct local **out, struct err *err)
{
	struct local_config config = {.file = e->file,
				      .key = &e->key,
				      .create = create,
				      .alone = alone,
				      .verify = verify,
				      .limit = {.deadline = clock_mono() + c->timeout}};

	return local_open(&config, out, err);
}

int embedded_open(const struct embedded *e, const struct conf *c, bool create, bool verify,
		  struct kv_engine *out, struct err *err)
{
	size_t room = sizeof(out->info.path);
	struct local *store = NULL;
	int r;

	if ((size_t)snprintf(out->info.path, room, LOCAL_SOURCE "%s", e->file) >= room)
		return err_set(err, ENAMETOOLONG, "the name of the store is too long");
	r = embedded_open_store(e, c, create, false, verify, &store, err);
	if (r < 0)
		return r;
	out->info.version = 2;
	out->inside = e->path;
	out->kv = kv_local_new(store);
	return out->kv ? 0 : err_set(err, ENOMEM, "no memory");
}

int embedded_mount(const struct embedded *e, const struct conf *c, struct kv_engine *out,
		   struct err *err)
{
	if (*e->path && access(e->file, F_OK) < 0)
		return err_set(
			err, ENOENT,
			"%s is not there, neither as a store nor as a folder of one; to make a "
			"store of that name, mount local:%s",
			e->file, e->file);
	return embedded_open(e, c, true, true, out, err);
}

void embedded_fini(struct embedded *e)
{
	store_key_fini(&e->key);
	free(e->file);
	free(e->path);
	*e = (struct embedded){0};
}
