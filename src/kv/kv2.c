// SPDX-License-Identifier: Apache-2.0
/* KV version 2 (https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2).
 *
 * The engine has a tree for each purpose (data/, metadata/, delete/). Only this file knows them:
 * above, there are paths and versions. After a write whose answer was lost we read back: the
 * version with the expected number and the very content that we sent is ours. */

#include "kv/kv2.h"

#include "base/clock.h"
#include "base/log.h"
#include "kv/acl.h"
#include "kv/kv2_list.h"
#include "kv/kv2_read.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SETTLE_TIME (5 * NS_PER_SEC) /* for reading back after a write's own time */

struct kv2 {
	struct kv kv;
	struct vault *vault;
	char *mount;
	struct acl_memory rules;
	struct floors *floors;
	struct leader_memory leader;
	struct kv2_reader reader;
	struct kv2_list list;
};

static struct kv2 *self(struct kv *kv)
{
	return container_of(kv, struct kv2, kv);
}

/* "secret/data/app/db". Heap; NULL: no memory. */
static char *api_path(const struct kv2 *k, const char *tree, const char *path)
{
	char *out;

	return asprintf(&out, "%s/%s/%s", k->mount, tree, path) < 0 ? NULL : out;
}

static int no_memory(struct err *err)
{
	return err_set(err, ENOMEM, "no memory for a request");
}

/* Calls the leader if other servers may not yet know our last change: they would refuse this one,
 * or think it done. False, and nothing is sent, if the leader is unknown or away. */
static bool call_leader(struct kv2 *k, const char *path, struct vault_call *call,
			struct vault_answer *answer, struct err *err, int *r)
{
	_cleanup_free_ char *leader = NULL;

	if (floors_are_new(k->floors, path))
		leader_recall(&k->leader, k->vault, call->limit, &leader);
	if (!leader)
		return false;
	call->address = leader;
	*r = vault_call(k->vault, call, answer, err);
	call->address = answer->address = NULL;
	if (*r == 0 || !answer->unsent)
		return true;
	leader_forget(&k->leader);
	vault_answer_fini(answer);
	return false;
}

/* Sends a request that changes something. */
static int kv2_call(struct kv2 *k, const char *method, const char *tree, const char *path,
		    const cJSON *body, struct limit limit, struct vault_answer *answer,
		    struct err *err)
{
	_cleanup_free_ char *full = api_path(k, tree, path);
	struct vault_call call = {.method = method, .path = full, .body = body, .limit = limit};
	int r;

	*answer = (struct vault_answer){0};
	r = full ? kv2_check_change(&k->reader, method, limit, err) : no_memory(err);
	if (r < 0 || call_leader(k, path, &call, answer, err, &r))
		return r;
	return vault_call(k->vault, &call, answer, err);
}

static int kv2_read_version(struct kv *kv, const char *path, int64_t number, struct limit limit,
			    struct kv_version **out, struct err *err)
{
	return kv2_read_numbered(&self(kv)->reader, path, number, false, limit, out, err);
}

static int kv2_read(struct kv *kv, const char *path, struct limit limit, struct kv_version **out,
		    struct err *err)
{
	return kv2_read_latest(&self(kv)->reader, path, limit, out, err);
}

static cJSON *write_body(cJSON *data, int64_t cas)
{
	_cleanup_json_ cJSON *body = cJSON_CreateObject();
	cJSON *options = cJSON_AddObjectToObject(body, "options");
	char number[24];

	snprintf(number, sizeof(number), "%lld", (long long)cas);
	if (json_add(body, "data", 4, data) < 0 || !options ||
	    (cas != KV_ANY && !cJSON_AddRawToObject(options, "cas", number)))
		return NULL;
	return steal(body);
}

/* Whether the version after `cas` holds what we sent. If so, `next` gets its number and time, and 0
 * is returned; -EBUSY if it holds something else; -ENOENT if nothing was written. */
static int settle(struct kv2 *k, const char *path, struct kv_version *next, int64_t cas,
		  struct limit limit)
{
	_cleanup_object_ struct kv_version *now = NULL;
	struct err err = {0};
	int r;

	if (limit.deadline < clock_mono() + SETTLE_TIME)
		limit.deadline = clock_mono() + SETTLE_TIME;
	r = kv2_read_after(&k->reader, path, cas, limit, &now, &err);
	if (r < 0)
		return r;
	if (now->number <= cas)
		return -ENOENT;
	if (now->number > cas + 1) { /* others have written since: ours may be an earlier version */
		object_put(steal(now));
		r = kv2_read_numbered(&k->reader, path, cas + 1, true, limit, &now, &err);
	}
	if (r < 0)
		return r;
	if (now->number != cas + 1 || now->state != KV_LIVE || !kv_version_equal(now, next))
		return -EBUSY;
	next->number = now->number;
	next->created = now->created;
	log_info("write settled by reading back", F_STR("path", path),
		 F_INT("version", now->number));
	return 0;
}

/* Whether the outcome of the write is unknown. */
static bool is_lost(int r, const struct vault_answer *answer)
{
	if (r == -EBUSY)
		return answer->repeated; /* our own first attempt may have won */
	if (r == -EFBIG || r == -E2BIG || r == -EINVAL || r == -ENAMETOOLONG)
		return false;
	return answer->in_doubt;
}

struct kv2_write {
	const char *method, *path;
	const cJSON *body;
	struct kv_version *next;
	int64_t cas;
	struct limit limit;
};

/* One attempt. *unwritten: the connection was lost, and nothing was written. */
static int write_once(struct kv2 *k, const struct kv2_write *w, bool *unwritten, struct err *err)
{
	_cleanup_answer_ struct vault_answer answer = {0};
	const cJSON *data;
	int r = kv2_call(k, w->method, "data", w->path, w->body, w->limit, &answer, err), s;

	*unwritten = false;
	if (r < 0 && w->cas != KV_ANY && is_lost(r, &answer)) {
		s = settle(k, w->path, w->next, w->cas, w->limit);
		*unwritten = s == -ENOENT && answer.status == 0;
		return s == 0 ? 0 : r;
	}
	if (r < 0)
		return r;
	data = json_get(answer.json, "data");
	w->next->number = json_get_int(data, "version", -1);
	if (w->next->number < 1) {
		s = w->cas == KV_ANY ? -EIO : settle(k, w->path, w->next, w->cas, w->limit);
		if (s < 0)
			return err_set(err, EIO, "the answer from %s to a write makes no sense",
				       vault_address(k->vault));
		return 0;
	}
	w->next->created = clock_parse_rfc3339(json_get_str(data, "created_time"));
	return 0;
}

/* Tries twice at most. The first request may still be under way, but check-and-set lets only one of
 * the two become a version, and either is ours. */
static int write_data(struct kv2 *k, struct kv2_write *w, struct err *err)
{
	bool unwritten;
	int r;

	w->limit.cancel = NULL; /* once sent, we wait for the answer */
	r = write_once(k, w, &unwritten, err);
	if (r == 0 || !unwritten || clock_mono() >= w->limit.deadline)
		return r;
	r = write_once(k, w, &unwritten, err);
	if (r == -EBUSY && settle(k, w->path, w->next, w->cas, w->limit) == 0)
		return 0;
	return r;
}

/* Whether the refusal may come from a server that does not know our latest version yet, and there
 * is no leader to ask instead. */
static bool is_hasty(struct kv2 *k, const struct kv2_write *w)
{
	_cleanup_free_ char *leader = NULL;

	return w->cas != KV_ANY && floors_are_ours(k->floors, w->path, w->cas) &&
	       leader_recall(&k->leader, k->vault, w->limit, &leader) == LEADER_UNKNOWN;
}

static int write_known(struct kv2 *k, struct kv2_write *w, struct err *err)
{
	uint64_t pause = 20 * NS_PER_MS, until = clock_mono() + NS_PER_SEC;
	int r = write_data(k, w, err);

	for (; r == -EBUSY && clock_mono() + pause < until && is_hasty(k, w); pause *= 2) {
		cancel_sleep(NULL, clock_mono() + pause);
		r = write_data(k, w, err);
	}
	if (r == 0)
		floors_wrote(k->floors, w->path, w->next);
	else if (r == -EBUSY && w->cas != KV_ANY)
		floors_refuted(k->floors, w->path, w->cas);
	return r;
}

static int kv2_write(struct kv *kv, const char *path, struct kv_version *next, int64_t cas,
		     struct limit limit, struct err *err)
{
	_cleanup_json_ cJSON *body = write_body(kv_version_raw(next), cas);
	struct kv2_write w = {
		.method = "POST", .path = path, .next = next, .cas = cas, .limit = limit};

	w.body = body;
	return body ? write_known(self(kv), &w, err) : no_memory(err);
}

/* In a merge patch (RFC 7396) null removes a field, and an object is merged with the old one;
 * servers also drop nulls from objects within an array. */
static bool can_patch(const struct kv_change *c)
{
	return c->remove || (c->type != KV_NULL && c->type != KV_OBJECT && c->type != KV_ARRAY);
}

static cJSON *patch_data(const struct kv_change *changes, size_t count)
{
	_cleanup_json_ cJSON *data = cJSON_CreateObject();

	for (size_t i = 0; data && i < count; i++) {
		const struct kv_change *c = &changes[i];
		struct kv_field f = {
			.text = c->text, .len = c->len, .type = c->type, .binary = c->binary};
		cJSON *item = c->remove ? cJSON_CreateNull() : kv_field_json(&f);

		if (json_add(data, c->name, c->name_len, item) < 0)
			return NULL;
	}
	return steal(data);
}

static int kv2_patch(struct kv *kv, const char *path, const struct kv_change *changes, size_t count,
		     struct kv_version *next, int64_t cas, struct limit limit, struct err *err)
{
	_cleanup_json_ cJSON *body = NULL;
	struct kv2_write w = {
		.method = "PATCH", .path = path, .next = next, .cas = cas, .limit = limit};

	for (size_t i = 0; i < count; i++)
		if (!can_patch(&changes[i]))
			return -EOPNOTSUPP;
	body = write_body(patch_data(changes, count), cas);
	w.body = body;
	return body ? write_known(self(kv), &w, err) : no_memory(err);
}

static int send_metadata(struct kv2 *k, const char *method, const char *path, const cJSON *body,
			 struct limit limit, struct err *err)
{
	_cleanup_answer_ struct vault_answer answer = {0};

	limit.cancel = NULL;
	return kv2_call(k, method, "metadata", path, body, limit, &answer, err);
}

/* Applies a patch to `custom`, which may be NULL. The caller's; NULL: no memory. */
static cJSON *patch_custom(const cJSON *custom, const cJSON *patch)
{
	_cleanup_json_ cJSON *out =
		cJSON_IsObject(custom) ? cJSON_Duplicate(custom, true) : cJSON_CreateObject();

	for (const cJSON *item = patch->child; out && item; item = item->next) {
		cJSON_DeleteItemFromObjectCaseSensitive(out, item->string);
		if (!cJSON_IsNull(item) &&
		    !cJSON_AddItemToObject(out, item->string, cJSON_Duplicate(item, true)))
			return NULL;
	}
	return steal(out);
}

/* Replaces custom metadata as a whole, if it cannot be patched. Reads the old metadata first,
 * unless there is known to be none (`exists` false). */
static int rewrite_metadata(struct kv2 *k, const char *path, const cJSON *patch, bool exists,
			    struct limit limit, struct err *err)
{
	_cleanup_json_ cJSON *metadata = NULL, *body = cJSON_Duplicate(patch, true);
	const cJSON *custom = json_get(patch, "custom_metadata");
	cJSON *whole;
	int r = 0;

	if (custom && exists)
		r = k->kv.ops->metadata(&k->kv, path, limit, &metadata, err);
	if (r < 0 && r != -ENOENT)
		return r;
	if (custom) {
		whole = patch_custom(json_get(metadata, "custom_metadata"), custom);
		cJSON_DeleteItemFromObjectCaseSensitive(body, "custom_metadata");
		if (!whole ||
		    json_add(body, "custom_metadata", strlen("custom_metadata"), whole) < 0)
			return no_memory(err);
	}
	return body ? send_metadata(k, "POST", path, body, limit, err) : no_memory(err);
}

/* Whether it is any spelling of zero. */
static bool is_zero(const cJSON *duration)
{
	const char *text =
		cJSON_IsString(duration) || json_is_number(duration) ? duration->valuestring : "1";

	return !strpbrk(text, "123456789");
}

/* OpenBao answers 204 to a PATCH that resets delete_version_after to 0, and leaves it unchanged; a
 * POST resets it. If only a PATCH is allowed, we read back what the server made of it. */
static int end_deletion(struct kv2 *k, const char *path, const cJSON *patch, struct limit limit,
			struct err *err)
{
	_cleanup_json_ cJSON *now = NULL;
	int r = rewrite_metadata(k, path, patch, true, limit, err);

	if (r != -EACCES)
		return r;
	r = send_metadata(k, "PATCH", path, patch, limit, err);
	if (r == 0)
		r = k->kv.ops->metadata(&k->kv, path, limit, &now, err);
	if (r == 0 && !is_zero(json_get(now, "delete_version_after")))
		r = err_set(
			err, EACCES,
			"delete_version_after is what it was: this server takes it back to 0 by "
			"a POST alone, for which the token lacks the capability update");
	return r;
}

static int kv2_change_metadata(struct kv *kv, const char *path, const cJSON *patch,
			       struct limit limit, struct err *err)
{
	struct kv2 *k = self(kv);
	const cJSON *after = json_get(patch, "delete_version_after");
	int r;

	if (after && is_zero(after))
		return end_deletion(k, path, patch, limit, err);
	r = send_metadata(k, "PATCH", path, patch, limit, err);
	if (r == -ENOENT || r == -EACCES || r == -EOPNOTSUPP)
		r = rewrite_metadata(k, path, patch, r != -ENOENT, limit, err);
	return r;
}

/* A secret without versions may have metadata that its owner has set. A token that may create
 * secrets, but neither patch nor read metadata, can still mark a new one. */
static int kv2_mark(struct kv *kv, const char *path, const struct kv_remark *marks, size_t n,
		    int64_t number, struct limit limit, struct err *err)
{
	_cleanup_json_ cJSON *patch = kv_mark_patch(marks, n);
	int r;

	if (!patch)
		return no_memory(err);
	r = kv2_change_metadata(kv, path, patch, limit, err);
	if (r == -EACCES && number == 0)
		r = rewrite_metadata(self(kv), path, patch, false, limit, err);
	return r < 0 ? err_prefix(err, "the mark of a binary value cannot be set") : 0;
}

/* Changes one version through its own tree: delete/, undelete/, destroy/. */
static int post_version(struct kv *kv, const char *tree, const char *path, int64_t number,
			struct limit limit, struct err *err)
{
	_cleanup_json_ cJSON *body = cJSON_CreateObject();
	_cleanup_answer_ struct vault_answer answer = {0};
	cJSON *versions = cJSON_AddArrayToObject(body, "versions");
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)number);
	if (!versions || !cJSON_AddItemToArray(versions, cJSON_CreateRaw(text)))
		return no_memory(err);
	limit.cancel = NULL;
	return kv2_call(self(kv), "POST", tree, path, body, limit, &answer, err);
}

static int change_version(struct kv *kv, const char *tree, const char *path, int64_t number,
			  enum kv_state state, struct limit limit, struct err *err)
{
	int r = post_version(kv, tree, path, number, limit, err);

	if (r == 0)
		floors_changed(self(kv)->floors, path, number, state);
	return r;
}

static int kv2_delete_version(struct kv *kv, const char *path, int64_t number, struct limit limit,
			      struct err *err)
{
	return change_version(kv, "delete", path, number, KV_DELETED, limit, err);
}

static int kv2_undelete_version(struct kv *kv, const char *path, int64_t number, struct limit limit,
				struct err *err)
{
	return change_version(kv, "undelete", path, number, KV_LIVE, limit, err);
}

static int kv2_destroy_version(struct kv *kv, const char *path, int64_t number, struct limit limit,
			       struct err *err)
{
	return change_version(kv, "destroy", path, number, KV_DESTROYED, limit, err);
}

static int kv2_purge(struct kv *kv, const char *path, struct limit limit, struct err *err)
{
	_cleanup_answer_ struct vault_answer answer = {0};
	int r;

	limit.cancel = NULL;
	r = kv2_call(self(kv), "DELETE", "metadata", path, NULL, limit, &answer, err);
	if (r == 0)
		floors_purged(self(kv)->floors, path);
	return r;
}

static int kv2_list(struct kv *kv, const char *path, struct limit limit, struct kv_list **out,
		    struct err *err)
{
	int r = kv2_list_names(&self(kv)->list, path, limit, out, err);

	if (r < 0 || (*out)->count)
		return r;
	r = kv2_check_folder(&self(kv)->reader, path, kv2_list_emptied(&self(kv)->list, path),
			     limit, err);
	if (r < 0)
		object_put(steal(*out));
	return r;
}

static int kv2_children(struct kv *kv, const char *path, struct limit limit,
			struct kv_children **out, struct err *err)
{
	return kv2_list_children(&self(kv)->list, path, limit, out, err);
}

static int kv2_metadata(struct kv *kv, const char *path, struct limit limit, cJSON **out,
			struct err *err)
{
	return kv2_read_metadata(&self(kv)->reader, path, limit, out, err);
}

static int kv2_rights(struct kv *kv, const char *path, struct limit limit, unsigned *rights,
		      struct err *err)
{
	struct kv2 *k = self(kv);
	_cleanup_free_ char *full = api_path(k, "data", path);

	if (!full)
		return no_memory(err);
	return acl_rights(&k->rules, k->vault, full, limit, rights, err);
}

static int kv2_reach(struct kv *kv, const char *path, struct limit limit, enum kv_reach *out,
		     struct err *err)
{
	struct kv2 *k = self(kv);
	_cleanup_object_ struct acl *acl = NULL;
	_cleanup_free_ char *data = api_path(k, "data", path);
	_cleanup_free_ char *metadata = api_path(k, "metadata", path);
	int r;

	if (!data || !metadata)
		return no_memory(err);
	r = acl_current(&k->rules, k->vault, limit, &acl, err);
	if (r < 0)
		return r;
	*out = acl_reach(acl, data);
	if (*out != KV_REACH_YES)
		*out = acl_reach(acl, metadata);
	return 0;
}

static enum kv_reach kv2_may_write(struct kv *kv, const char *path, unsigned any, bool below)
{
	struct kv2 *k = self(kv);
	_cleanup_object_ struct acl *acl = acl_remembered(&k->rules);
	_cleanup_free_ char *full = acl ? api_path(k, "data", path) : NULL;

	if (full && !*path)
		full[strlen(full) - 1] = '\0';
	return full ? acl_may_write(acl, full, any, below) : KV_REACH_UNKNOWN;
}

static struct kv_list *kv2_named(struct kv *kv, const char *path)
{
	struct kv2 *k = self(kv);
	_cleanup_object_ struct acl *acl = acl_remembered(&k->rules);
	_cleanup_free_ char *data = api_path(k, "data", path);
	_cleanup_free_ char *metadata = api_path(k, "metadata", path);
	char *folders[] = {data, metadata};

	for (size_t i = 0; i < ARRAY_SIZE(folders) && !*path; i++)
		if (folders[i])
			folders[i][strlen(folders[i]) - 1] = '\0';
	return acl ? acl_named(acl, (const char *const *)folders, ARRAY_SIZE(folders)) : NULL;
}

static int kv2_rights_in(struct kv *kv, const char *folder, const char *const *names, size_t n,
			 struct limit limit, unsigned *own, unsigned *below, struct err *err)
{
	struct kv2 *k = self(kv);
	_cleanup_free_ char *full = NULL;

	if (asprintf(&full, "%s/data/%s%s", k->mount, folder, *folder ? "/" : "") < 0)
		return no_memory(err);
	return acl_rights_in(k->vault, full, names, n, limit, own, below, err);
}

static void kv2_free(struct kv *kv)
{
	struct kv2 *k = self(kv);

	acl_memory_fini(&k->rules);
	floors_free(k->floors);
	leader_memory_fini(&k->leader);
	free(k->mount);
	free(k);
}

static const struct kv_rights_ops kv2_known = {
	.may_write = kv2_may_write,
	.named = kv2_named,
	.rights_in = kv2_rights_in,
};

static const struct kv_ops kv2_ops = {
	.floats = true,
	.read = kv2_read,
	.read_version = kv2_read_version,
	.write = kv2_write,
	.patch = kv2_patch,
	.mark = kv2_mark,
	.delete_version = kv2_delete_version,
	.undelete_version = kv2_undelete_version,
	.destroy_version = kv2_destroy_version,
	.purge = kv2_purge,
	.list = kv2_list,
	.children = kv2_children,
	.metadata = kv2_metadata,
	.change_metadata = kv2_change_metadata,
	.rights = kv2_rights,
	.reach = kv2_reach,
	.known = &kv2_known,
	.free = kv2_free,
};

struct kv *kv2_new(struct vault *vault, const char *mount)
{
	struct kv2 *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->kv.ops = &kv2_ops;
	k->vault = vault;
	k->mount = strdup(mount);
	k->floors = floors_new(vault_address_count(vault));
	k->reader = (struct kv2_reader){
		.vault = vault, .mount = k->mount, .floors = k->floors, .leader = &k->leader};
	atomic_store(&k->reader.engine_good, clock_mono() + KV2_ENGINE_TTL);
	k->list = (struct kv2_list){.vault = vault, .mount = k->mount, .floors = k->floors};
	acl_memory_init(&k->rules);
	leader_memory_init(&k->leader);
	if (!k->mount || !k->floors) {
		kv2_free(&k->kv);
		return NULL;
	}
	return &k->kv;
}
