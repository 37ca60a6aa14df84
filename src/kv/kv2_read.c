// SPDX-License-Identifier: Apache-2.0
/* Reads of KV version 2: one request each, and more if the answer is older than known data. */

#include "kv/kv2_read.h"

#include "base/clock.h"
#include "vault/lag.h"
#include "vault/mounts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ENGINE_NOT_TOLD (60 * NS_PER_SEC) /* the token may not ask, or sees no engine */

/* One read under way. */
struct reading {
	struct kv2_reader *k;
	const char *path;
	int64_t number; /* 0: the latest */
	int64_t before; /* kv2_read_after() */
	bool insists;
	struct kv_version *v; /* the last answer */
	cJSON *metadata;
};

static int no_memory(struct err *err)
{
	return err_set(err, ENOMEM, "no memory for a request");
}

static int nonsense(const char *by, const char *what, struct err *err)
{
	return err_set(err, EIO, "the answer from %s makes no sense: it is no %s", by, what);
}

static bool holds_secret(const cJSON *json)
{
	const cJSON *data = json_get(json, "data");

	return json_get(data, "metadata") && cJSON_IsObject(json_get(data, "data"));
}

/* The answer could only come from an engine of version 2. */
static void confirm_engine(struct kv2_reader *k, uint64_t when)
{
	if (atomic_load(&k->engine_good) < when + KV2_ENGINE_TTL)
		atomic_store(&k->engine_good, when + KV2_ENGINE_TTL);
}

static int ask_data(void *arg, const char *address, struct limit limit, const char **by,
		    struct err *err)
{
	struct reading *x = arg;
	_cleanup_free_ char *full = NULL;
	_cleanup_answer_ struct vault_answer answer = {0};
	struct vault_call call = {.method = "GET",
				  .depth = 3, /* the answer, "data", "data" */
				  .insists = x->insists,
				  .holds = holds_secret,
				  .address = address,
				  .limit = limit};
	const cJSON *data, *metadata;
	uint64_t begun = clock_mono();
	char query[40];
	int r;

	if (asprintf(&full, "%s/data/%s", x->k->mount, x->path) < 0)
		return no_memory(err);
	call.path = full;
	snprintf(query, sizeof(query), "version=%lld", (long long)x->number);
	if (x->number)
		call.query = query;
	r = vault_call(x->k->vault, &call, &answer, err);
	if (r < 0 && r != -ENOENT)
		return r;
	*by = answer.address;
	if (r == 0)
		confirm_engine(x->k, begun);
	object_put(steal(x->v));
	data = json_get(answer.json, "data");
	metadata = json_get(data, "metadata");
	/* 404 with metadata is a deleted version; without, there is no such secret. */
	r = kv_version_parse(r == 0 ? json_get(data, "data") : NULL, metadata, &x->v);
	if (r == -EIO)
		return nonsense(*by, "secret", err);
	return r < 0 ? no_memory(err) : 0;
}

static bool data_is_old(void *arg, uint64_t begun, bool certain)
{
	struct reading *x = arg;

	return floors_is_old(x->k->floors, x->path, x->v, begun, certain);
}

static bool is_never_old(void *arg, uint64_t begun, bool certain)
{
	return false;
}

static bool is_not_after(void *arg, uint64_t begun, bool certain)
{
	const struct reading *x = arg;

	return !certain && x->v->number <= x->before;
}

int kv2_check_engine(struct kv2_reader *k, bool doubt, struct limit limit, struct err *err)
{
	struct mount_info info;
	uint64_t now = clock_mono(), good = atomic_load(&k->engine_good);
	int r;

	/* "Not told" is remembered for longer. */
	if (now < good && (!doubt || good - now > KV2_ENGINE_TTL))
		return 0;
	/* Others may rely on the answer, not on the question: with the question under way, a 404
	 * would look like a removal. */
	r = mounts_find(k->vault, k->mount, limit, &info, NULL);
	if (r < 0 || strcmp(info.path, k->mount) != 0 || info.version == 2) {
		/* While one engine replaces another, there is none for a moment. */
		bool untold = (r == -EACCES || r == -ENOENT) && !atomic_load(&k->engine_told);

		if (r == 0)
			atomic_store(&k->engine_told, true);
		atomic_store(&k->engine_good, now + (untold ? ENGINE_NOT_TOLD : KV2_ENGINE_TTL));
		return 0;
	}
	atomic_store(&k->engine_good, 0);
	return err_set(err, EIO, "%s " KV2_NO_MORE ": mount it again", k->mount);
}

/* Other engines do not know PATCH; all other methods would change another path. */
int kv2_check_change(struct kv2_reader *k, const char *method, struct limit limit, struct err *err)
{
	return strcmp(method, "PATCH") != 0 ? kv2_check_engine(k, false, limit, err) : 0;
}

int kv2_check_folder(struct kv2_reader *k, const char *path, bool emptied, struct limit limit,
		     struct err *err)
{
	bool doubt = emptied || !*path || floors_are_live(k->floors, path, true);

	return kv2_check_engine(k, doubt, limit, err);
}

/* Other servers may not yet know our last change: asks the leader, which does. */
static int read_known(struct reading *x, struct lag_read *read, struct limit limit, struct err *err)
{
	struct kv2_reader *k = x->k;
	_cleanup_free_ char *leader = NULL;

	if (floors_are_new(k->floors, x->path))
		leader_recall(k->leader, k->vault, limit, &leader);
	read->first = leader;
	read->arg = x;
	return lag_read(k->vault, read, limit, err);
}

int kv2_read_latest(struct kv2_reader *k, const char *path, struct limit limit,
		    struct kv_version **out, struct err *err)
{
	struct reading x = {.k = k, .path = path};
	struct lag_read read = {.ask = ask_data, .is_old = data_is_old};
	bool was = floors_are_live(k->floors, path, false);
	int r = read_known(&x, &read, limit, err);

	if (r == 0 && x.v->state == KV_ABSENT)
		r = kv2_check_engine(k, was, limit, err);
	if (r == 0)
		*out = steal(x.v);
	object_put(x.v);
	return r;
}

int kv2_read_numbered(struct kv2_reader *k, const char *path, int64_t number, bool insists,
		      struct limit limit, struct kv_version **out, struct err *err)
{
	struct reading x = {.k = k, .path = path, .number = number, .insists = insists};
	struct lag_read read = {.ask = ask_data, .is_old = is_never_old};
	int r = read_known(&x, &read, limit, err);

	if (r == 0)
		*out = steal(x.v);
	object_put(x.v);
	return r;
}

int kv2_read_after(struct kv2_reader *k, const char *path, int64_t before, struct limit limit,
		   struct kv_version **out, struct err *err)
{
	struct reading x = {.k = k, .path = path, .before = before, .insists = true};
	struct lag_read read = {.ask = ask_data, .is_old = is_not_after, .arg = &x};
	int r = lag_read(k->vault, &read, limit, err);

	/* All servers that answer lag, and agree; there is nobody else. */
	if (r == -EIO && x.v)
		r = 0;
	if (r == 0)
		*out = steal(x.v);
	object_put(x.v);
	return r;
}

static int ask_metadata(void *arg, const char *address, struct limit limit, const char **by,
			struct err *err)
{
	struct reading *x = arg;
	_cleanup_free_ char *full = NULL;
	_cleanup_answer_ struct vault_answer answer = {0};
	struct vault_call call = {
		.method = "GET", .holds = vault_holds_data, .address = address, .limit = limit};
	int r;

	if (asprintf(&full, "%s/metadata/%s", x->k->mount, x->path) < 0)
		return no_memory(err);
	call.path = full;
	r = vault_call(x->k->vault, &call, &answer, err);
	if (r < 0 && r != -ENOENT)
		return r;
	*by = answer.address;
	cJSON_Delete(steal(x->metadata));
	object_put(steal(x->v));
	if (r == 0)
		x->metadata = cJSON_DetachItemFromObjectCaseSensitive(answer.json, "data");
	r = r < 0 ? -ENOENT
		  : kv_version_from_metadata(
			    x->metadata, json_get_int(x->metadata, "current_version", 0), &x->v);
	/* Metadata alone is no version. */
	if (r == -ENOENT)
		x->v = kv_version_empty(KV_ABSENT, 0);
	return x->v ? 0 : no_memory(err);
}

int kv2_read_metadata(struct kv2_reader *k, const char *path, struct limit limit, cJSON **out,
		      struct err *err)
{
	struct reading x = {.k = k, .path = path};
	struct lag_read read = {.ask = ask_metadata, .is_old = data_is_old};
	bool was = floors_are_live(k->floors, path, false);
	int r = read_known(&x, &read, limit, err);

	if (r == 0 && !x.metadata)
		r = kv2_check_engine(k, was, limit, err);
	if (r == 0 && !x.metadata)
		r = -ENOENT; /* `err` has the server's words */
	if (r == 0)
		*out = steal(x.metadata);
	cJSON_Delete(x.metadata);
	object_put(x.v);
	return r;
}
