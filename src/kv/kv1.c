// SPDX-License-Identifier: Apache-2.0
/* KV version 1 (https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v1): one flat map for
 * each path, and nothing else.
 *
 * The layers above need version numbers to notice changes, so we make them up: whenever a path
 * holds something else than when we last looked, it gets a number that no other content had. A
 * keyed hash remembers the content, for a limited number of paths; a forgotten path gets a new
 * number and counts as changed.
 *
 * There is no check-and-set: a write first checks that its base is still the content. A change that
 * others make between the check and the write is lost. */

#include "kv/kv1.h"

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/secmem.h"
#include "kv/acl.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <uthash.h>

#define SIGHTS_MAX  16384
#define KEY_LEN	    32
#define SETTLE_TIME (5 * NS_PER_SEC)

/* The content of a path when we last looked. */
struct sight {
	UT_hash_handle hh;
	unsigned char digest[32];
	int64_t number, first_seen;
	char path[];
};

struct kv1 {
	struct kv kv;
	struct vault *vault;
	char *mount;
	char *key; /* of the digests; secret memory */
	struct acl_memory rules;
	struct lock lock;     /* guards all below */
	struct sight *sights; /* the oldest first */
	int64_t last_number;
};

static struct kv1 *self(struct kv *kv)
{
	return container_of(kv, struct kv1, kv);
}

static int no_memory(struct err *err)
{
	return err_set(err, ENOMEM, "no memory for a request");
}

static int no_such_thing(struct err *err)
{
	return err_set(
		err, EOPNOTSUPP,
		"the engine is a key-value engine of version 1, which has no versions and no "
		"metadata");
}

static int kv1_call(struct kv1 *k, const char *method, const char *path, const cJSON *body,
		    struct limit limit, struct vault_answer *answer, struct err *err)
{
	_cleanup_free_ char *full = NULL;
	struct vault_call call = {.method = method, .body = body, .limit = limit};

	*answer = (struct vault_answer){0};
	if (asprintf(&full, "%s/%s", k->mount, path) < 0)
		return no_memory(err);
	call.path = full;
	if (!strcmp(method, "GET") || !strcmp(method, "LIST"))
		call.depth = 2; /* the answer, "data" */
	return vault_call(k->vault, &call, answer, err);
}

static void add_value(const struct kv_field *f, struct buf *to)
{
	_cleanup_json_ cJSON *json = NULL;

	if (f->type == KV_OBJECT || f->type == KV_ARRAY)
		json_parse(f->text, f->len, &json, NULL);
	if (json) {
		json_sort(json);
		if (json_print(json, false, to) < 0)
			to->failed = true;
	} else {
		buf_add(to, f->text, f->len);
	}
}

static int digest_of(const struct kv1 *k, const struct kv_version *v, unsigned char digest[32])
{
	_cleanup_buf_ struct buf all = {0};
	unsigned len = 32;

	for (size_t i = 0; i < v->count; i++) {
		const struct kv_field *f = &v->fields[i];
		_cleanup_buf_ struct buf value = {0};

		add_value(f, &value);
		buf_printf(&all, "%zu %zu %d ", f->name_len, value.len, (int)f->type);
		buf_add(&all, f->name, f->name_len);
		buf_add(&all, value.data ? value.data : "", value.len);
		if (buf_status(&value) < 0)
			return -ENOMEM;
	}
	if (buf_status(&all) < 0 ||
	    !HMAC(EVP_sha256(), k->key, KEY_LEN, (unsigned char *)(all.data ? all.data : ""),
		  all.len, digest, &len))
		return -ENOMEM;
	return 0;
}

static struct sight *sight_new_locked(struct kv1 *k, const char *path)
{
	LOCK_HELD(&k->lock);
	struct sight *s;

	if (HASH_COUNT(k->sights) >= SIGHTS_MAX) {
		s = k->sights;
		HASH_DEL(k->sights, s);
		free(s);
	}
	s = calloc(1, sizeof(*s) + strlen(path) + 1);
	if (!s)
		return NULL;
	strcpy(s->path, path);
	HASH_ADD_STR(k->sights, path, s);
	return s;
}

/* Sets the version number of a live content. */
static int number(struct kv1 *k, const char *path, struct kv_version *v)
{
	unsigned char digest[32];
	struct sight *s;
	int r = digest_of(k, v, digest);
	LOCK_SCOPE(&k->lock);

	if (r < 0)
		return r;
	HASH_FIND_STR(k->sights, path, s);
	if (!s)
		s = sight_new_locked(k, path);
	if (!s)
		return -ENOMEM;
	if (!s->number || memcmp(s->digest, digest, sizeof(digest)) != 0) {
		memcpy(s->digest, digest, sizeof(digest));
		s->number = ++k->last_number;
		s->first_seen = clock_wall();
	}
	v->number = s->number;
	v->created = s->first_seen;
	return 0;
}

static void forget(struct kv1 *k, const char *path)
{
	LOCK_SCOPE(&k->lock);
	struct sight *s;

	HASH_FIND_STR(k->sights, path, s);
	if (s)
		HASH_DEL(k->sights, s);
	free(s);
}

static int kv1_read(struct kv *kv, const char *path, struct limit limit, struct kv_version **out,
		    struct err *err)
{
	struct kv1 *k = self(kv);
	_cleanup_answer_ struct vault_answer answer = {0};
	_cleanup_object_ struct kv_version *v = NULL;
	const cJSON *data;
	int r = kv1_call(k, "GET", path, NULL, limit, &answer, err);

	if (r < 0 && r != -ENOENT)
		return r;
	data = r == 0 ? json_get(answer.json, "data") : NULL;
	r = r == 0 && !cJSON_IsObject(data) ? -EIO : kv_version_parse(data, NULL, &v);
	if (r == -EIO)
		return err_set(err, EIO, "the answer from %s makes no sense: it is no secret",
			       vault_address(k->vault));
	if (r == 0 && v->state == KV_LIVE)
		r = number(k, path, v);
	else
		forget(k, path);
	if (r < 0)
		return no_memory(err);
	*out = steal(v);
	return 0;
}

/* Whether both hold the same values, however they are written. */
static bool same_content(const struct kv1 *k, const struct kv_version *a,
			 const struct kv_version *b)
{
	unsigned char x[32], y[32];

	return digest_of(k, a, x) == 0 && digest_of(k, b, y) == 0 && !memcmp(x, y, sizeof(x));
}

/* -EBUSY if the content no longer has this number. */
static int check(struct kv1 *k, const char *path, int64_t cas, struct limit limit,
		 struct kv_version **now, struct err *err)
{
	int r = kv1_read(&k->kv, path, limit, now, err);

	if (r < 0 || (*now)->number == cas)
		return r;
	return err_set(err, EBUSY, "the secret was changed meanwhile");
}

/* Whether the outcome of the change is unknown. */
static bool is_lost(int r, const struct vault_answer *answer)
{
	if (r == -EFBIG || r == -E2BIG || r == -EINVAL || r == -ENAMETOOLONG)
		return false;
	return answer->in_doubt;
}

static int read_back(struct kv1 *k, const char *path, struct limit limit, struct kv_version **now)
{
	struct err err = {0};

	if (limit.deadline < clock_mono() + SETTLE_TIME)
		limit.deadline = clock_mono() + SETTLE_TIME;
	return kv1_read(&k->kv, path, limit, now, &err);
}

/* One attempt. *unwritten: its answer was lost, and the path still holds `before`. */
static int write_once(struct kv1 *k, const char *path, const struct kv_version *next,
		      const struct kv_version *before, struct limit limit, bool *unwritten,
		      struct err *err)
{
	_cleanup_object_ struct kv_version *now = NULL;
	_cleanup_json_ cJSON *body = kv_version_json(next);
	_cleanup_answer_ struct vault_answer answer = {0};
	int r;

	*unwritten = false;
	if (!body)
		return no_memory(err);
	r = kv1_call(k, "POST", path, body, limit, &answer, err);
	if (r == 0 || !is_lost(r, &answer) || read_back(k, path, limit, &now) < 0)
		return r;
	if (now->state == KV_LIVE && same_content(k, now, next)) {
		log_info("write settled by reading back", F_STR("path", path));
		return 0;
	}
	*unwritten = before && answer.status == 0 && now->number == before->number;
	return r;
}

static int kv1_write(struct kv *kv, const char *path, struct kv_version *next, int64_t cas,
		     struct limit limit, struct err *err)
{
	struct kv1 *k = self(kv);
	_cleanup_object_ struct kv_version *before = NULL;
	bool unwritten;
	int r = 0;

	limit.cancel = NULL;
	if (cas != KV_ANY)
		r = check(k, path, cas, limit, &before, err);
	if (r == 0)
		r = write_once(k, path, next, before, limit, &unwritten, err);
	else
		return r;
	if (r < 0 && unwritten && clock_mono() < limit.deadline)
		r = write_once(k, path, next, before, limit, &unwritten, err);
	if (r < 0)
		return r;
	return number(k, path, next) < 0 ? no_memory(err) : 0;
}

static int kv1_purge(struct kv *kv, const char *path, struct limit limit, struct err *err)
{
	struct kv1 *k = self(kv);
	_cleanup_object_ struct kv_version *now = NULL;
	_cleanup_answer_ struct vault_answer answer = {0};
	int r;

	limit.cancel = NULL;
	r = kv1_call(k, "DELETE", path, NULL, limit, &answer, err);
	if (r < 0 && is_lost(r, &answer) && read_back(k, path, limit, &now) == 0 &&
	    now->state == KV_ABSENT)
		return 0;
	if (r == 0)
		forget(k, path);
	return r;
}

/* There are no other versions, so it equals a purge. */
static int kv1_delete_version(struct kv *kv, const char *path, int64_t cas, struct limit limit,
			      struct err *err)
{
	_cleanup_object_ struct kv_version *now = NULL;
	int r = check(self(kv), path, cas, limit, &now, err);

	if (r == -EBUSY && now->state == KV_ABSENT)
		return 0;
	return r < 0 ? r : kv1_purge(kv, path, limit, err);
}

static int kv1_list(struct kv *kv, const char *path, struct limit limit, struct kv_list **out,
		    struct err *err)
{
	struct kv1 *k = self(kv);
	_cleanup_answer_ struct vault_answer answer = {0};
	_cleanup_free_ char *dir = NULL;
	int r;

	if (asprintf(&dir, "%s%s", path, *path ? "/" : "") < 0)
		return no_memory(err);
	r = kv1_call(k, "LIST", dir, NULL, limit, &answer, err);
	if (r < 0 && r != -ENOENT)
		return r;
	r = kv_list_parse(r == 0 ? json_get(json_get(answer.json, "data"), "keys") : NULL, out);
	if (r == -EIO)
		return err_set(err, EIO, "the answer from %s makes no sense: it is no list",
			       vault_address(k->vault));
	return r < 0 ? no_memory(err) : 0;
}

static int kv1_rights(struct kv *kv, const char *path, struct limit limit, unsigned *rights,
		      struct err *err)
{
	struct kv1 *k = self(kv);
	_cleanup_free_ char *full = NULL;
	int r;

	if (asprintf(&full, "%s/%s", k->mount, path) < 0)
		return no_memory(err);
	r = acl_rights(&k->rules, k->vault, full, limit, rights, err);
	/* The engine has no patch request: the right to it allows nothing. */
	*rights &= ~(unsigned)KV_PATCH;
	return r;
}

static int kv1_reach(struct kv *kv, const char *path, struct limit limit, enum kv_reach *out,
		     struct err *err)
{
	struct kv1 *k = self(kv);
	_cleanup_object_ struct acl *acl = NULL;
	_cleanup_free_ char *full = NULL;
	int r;

	if (asprintf(&full, "%s%s%s", k->mount, *path ? "/" : "", path) < 0)
		return no_memory(err);
	r = acl_current(&k->rules, k->vault, limit, &acl, err);
	if (r == 0)
		*out = acl_reach(acl, full);
	return r;
}

static enum kv_reach kv1_may_write(struct kv *kv, const char *path, unsigned any, bool below)
{
	struct kv1 *k = self(kv);
	_cleanup_object_ struct acl *acl = acl_remembered(&k->rules);
	_cleanup_free_ char *full = NULL;

	if (!acl || asprintf(&full, "%s%s%s", k->mount, *path ? "/" : "", path) < 0)
		return KV_REACH_UNKNOWN;
	return acl_may_write(acl, full, any, below);
}

static struct kv_list *kv1_named(struct kv *kv, const char *path)
{
	struct kv1 *k = self(kv);
	_cleanup_object_ struct acl *acl = acl_remembered(&k->rules);
	_cleanup_free_ char *full = NULL;

	if (!acl || asprintf(&full, "%s%s%s", k->mount, *path ? "/" : "", path) < 0)
		return NULL;
	return acl_named(acl, (const char *const *)&full, 1);
}

static int kv1_rights_in(struct kv *kv, const char *folder, const char *const *names, size_t n,
			 struct limit limit, unsigned *own, unsigned *below, struct err *err)
{
	struct kv1 *k = self(kv);
	_cleanup_free_ char *full = NULL;

	if (asprintf(&full, "%s/%s%s", k->mount, folder, *folder ? "/" : "") < 0)
		return no_memory(err);
	return acl_rights_in(k->vault, full, names, n, limit, own, below, err);
}

static int kv1_mark(struct kv *kv, const char *path, const struct kv_remark *marks, size_t n,
		    int64_t latest, struct limit limit, struct err *err)
{
	return err_set(err, EILSEQ,
		       "the bytes are no text, and a key-value engine of version 1 has no metadata "
		       "to mark them in");
}

static int kv1_read_version(struct kv *kv, const char *path, int64_t wanted, struct limit limit,
			    struct kv_version **out, struct err *err)
{
	return no_such_thing(err);
}

static int kv1_change_version(struct kv *kv, const char *path, int64_t wanted, struct limit limit,
			      struct err *err)
{
	return no_such_thing(err);
}

static int kv1_metadata(struct kv *kv, const char *path, struct limit limit, cJSON **out,
			struct err *err)
{
	return no_such_thing(err);
}

static void kv1_free(struct kv *kv)
{
	struct kv1 *k = self(kv);
	struct sight *s, *next;

	HASH_ITER (hh, k->sights, s, next) {
		HASH_DEL(k->sights, s);
		free(s);
	}
	acl_memory_fini(&k->rules);
	lock_fini(&k->lock);
	secmem_free(k->key);
	free(k->mount);
	free(k);
}

static const struct kv_rights_ops kv1_known = {
	.may_write = kv1_may_write,
	.named = kv1_named,
	.rights_in = kv1_rights_in,
};

static const struct kv_ops kv1_ops = {
	.flat = true,
	.read = kv1_read,
	.read_version = kv1_read_version,
	.write = kv1_write,
	.mark = kv1_mark,
	.delete_version = kv1_delete_version,
	.undelete_version = kv1_change_version,
	.destroy_version = kv1_change_version,
	.purge = kv1_purge,
	.list = kv1_list,
	.metadata = kv1_metadata,
	.rights = kv1_rights,
	.reach = kv1_reach,
	.known = &kv1_known,
	.free = kv1_free,
};

struct kv *kv1_new(struct vault *vault, const char *mount)
{
	struct kv1 *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->kv.ops = &kv1_ops;
	k->vault = vault;
	k->mount = strdup(mount);
	k->key = secmem_alloc(KEY_LEN);
	acl_memory_init(&k->rules);
	lock_init(&k->lock, LOCK_KV1);
	if (!k->mount || !k->key || RAND_bytes((unsigned char *)k->key, KEY_LEN) != 1) {
		kv1_free(&k->kv);
		return NULL;
	}
	return &k->kv;
}
