// SPDX-License-Identifier: Apache-2.0
/* Setting metadata: one change at a time, as attributes do, or a whole metadata.json, of which what
 * differs from what it was is sent as one change.
 *
 * A document says how things should be: a key of custom metadata that is missing in it is removed. But
 * settings that it leaves out stay as they are, and so do the marks of binary values, which are ours.
 * The server has no check-and-set for metadata: what others have set meanwhile is kept where this
 * document does not change the same. */

#include "edit/metadata.h"

#include "base/codec.h"
#include "base/json.h"
#include "base/log.h"
#include "edit/commit.h"
#include "edit/json_unique.h"
#include "tree/settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CUSTOM_KEY_MAX	 128
#define CUSTOM_VALUE_MAX 512
#define CUSTOM_COUNT_MAX 64

#define CUSTOM "custom_metadata"

bool metadata_is_printable(const char *text)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i], next = (unsigned char)text[i + 1];

		if (c < ' ' || c == 0x7f || (c == 0xc2 && next < 0xa0))
			return false;
	}
	return utf8_valid(text, len);
}

int metadata_change(struct tree *t, struct dir *d, cJSON *patch, const struct request *rq)
{
	_cleanup_json_ cJSON *body = patch;
	struct secrets secrets = commit_secrets(t);
	int r;

	if (!body)
		return err_set(rq->err, ENOMEM, "no memory");
	r = secrets_describe(&secrets, d->path, body, rq->limit, rq->err);
	if (r < 0)
		return r;
	LOCK_SCOPE(&t->lock);
	cache_drop(t->config.cache, TREE_METADATA, d->path);
	/* It has metadata at the server now. */
	if (d->node.local)
		dir_appeared_locked(t, d);
	log_info("metadata changed", F_STR("path", d->path), F_INT("uid", rq->caller->uid),
		 F_INT("pid", rq->caller->pid));
	return 0;
}

int metadata_check_custom(const char *key, const char *value, size_t count, struct err *err)
{
	size_t len = strlen(value);

	if (!*key || strlen(key) > CUSTOM_KEY_MAX)
		return err_set(err, ENAMETOOLONG, "a key of metadata has 1 to %d bytes",
			       CUSTOM_KEY_MAX);
	if (len > CUSTOM_VALUE_MAX)
		return err_set(err, E2BIG, "a value of metadata has at most %d bytes",
			       CUSTOM_VALUE_MAX);
	if (!len)
		return err_set(err, EINVAL, "a value of metadata cannot be empty");
	if (!metadata_is_printable(key) || !metadata_is_printable(value))
		return err_set(err, EINVAL, "keys and values of metadata are printable text");
	if (count >= CUSTOM_COUNT_MAX)
		return err_set(err, ENOSPC, "a secret has at most %d keys of metadata",
			       CUSTOM_COUNT_MAX);
	return 0;
}

int metadata_look_locked(struct tree *t, struct dir *d, const struct request *rq,
			 struct object **out)
{
	LOCK_HELD(&t->lock);
	struct ask ask = *rq->ask;

	ask.since = ask.asked;
	return cache_get(t->config.cache, TREE_METADATA, d->path, &ask, out, NULL, rq->err);
}

/* Whether a setting may have that value; else a sentence. */
static int check_setting(const struct setting *s, const cJSON *value, struct err *err)
{
	const char *text = cJSON_IsString(value) || json_is_number(value) ? value->valuestring : "";
	bool digits = json_is_number(value) && !text[strspn(text, "0123456789")];

	switch (s->type) {
	case SETTING_NUMBER:
		if (digits && strlen(text) <= 10 && strtoull(text, NULL, 10) <= METADATA_NUMBER_MAX)
			return 0;
		return err_set(err, EINVAL, "metadata.json: %s is a whole number, 0 to %u", s->name,
			       METADATA_NUMBER_MAX);
	case SETTING_BOOLEAN:
		if (cJSON_IsBool(value))
			return 0;
		return err_set(err, EINVAL, "metadata.json: %s is true or false", s->name);
	default:
		if (*text && (digits || cJSON_IsString(value)) && metadata_is_printable(text))
			return 0;
		return err_set(err, EINVAL, "metadata.json: %s is a time, as \"90m\"", s->name);
	}
}

static int add_copy(cJSON *to, const cJSON *item, struct err *err)
{
	cJSON *copy = cJSON_Duplicate(item, true);

	if (!copy || json_add(to, item->string, strlen(item->string), copy) < 0)
		return err_set(err, ENOMEM, "no memory");
	return 0;
}

static bool is_mark(const char *key)
{
	return strncmp(key, KV_MARK_PREFIX, strlen(KV_MARK_PREFIX)) == 0;
}

/* The keys that the secret has afterwards, besides one that is being added. */
static size_t count_others(const cJSON *old, const cJSON *wanted)
{
	size_t count = wanted ? (size_t)cJSON_GetArraySize(wanted) : 0;

	for (const cJSON *o = old ? old->child : NULL; o; o = o->next)
		count += is_mark(o->string) && !json_get(wanted, o->string);
	return count ? count - 1 : 0;
}

static int add_custom(const cJSON *item, const cJSON *old, size_t others, cJSON *patch,
		      struct err *err)
{
	int r;

	if (json_key_len(item) != strlen(item->string) || is_mark(item->string))
		return err_set(err, EINVAL, "metadata.json: the key %s cannot be set",
			       item->string);
	if (!cJSON_IsString(item) || json_string_len(item) != strlen(item->valuestring))
		return err_set(err, EINVAL, "metadata.json: the value of %s is no text",
			       item->string);
	r = metadata_check_custom(item->string, item->valuestring, old ? 0 : others, err);
	return r == 0 ? add_copy(patch, item, err) : r;
}

static int compare_custom(const cJSON *old, const cJSON *wanted, cJSON *patch, struct err *err)
{
	_cleanup_json_ cJSON *custom = cJSON_CreateObject();
	size_t others = count_others(old, wanted);
	int r = custom ? 0 : -ENOMEM;

	if (!cJSON_IsObject(wanted) && !cJSON_IsNull(wanted))
		return err_set(err, EINVAL, "metadata.json: " CUSTOM " is an object");
	for (const cJSON *item = wanted->child; item && r == 0; item = item->next) {
		const cJSON *was = json_get(old, item->string);

		if (!was || !cJSON_Compare(was, item, true))
			r = add_custom(item, was, others, custom, err);
	}
	for (const cJSON *was = old ? old->child : NULL; was && r == 0; was = was->next)
		if (!is_mark(was->string) && !json_get(wanted, was->string))
			r = json_add(custom, was->string, strlen(was->string), cJSON_CreateNull());
	if (r == 0 && custom->child)
		r = json_add(patch, CUSTOM, strlen(CUSTOM), steal(custom));
	return r == -ENOMEM ? err_set(err, ENOMEM, "no memory") : r;
}

/* What `doc` has otherwise than `seen`. */
static int compare(const cJSON *seen, const cJSON *doc, cJSON *patch, struct err *err)
{
	int r = 0;

	for (const cJSON *item = doc->child; item && r == 0; item = item->next) {
		const cJSON *old = json_get(seen, item->string);
		const struct setting *setting = settings_named(item->string);

		if (old && cJSON_Compare(old, item, true))
			continue;
		if (!strcmp(item->string, CUSTOM)) {
			r = compare_custom(old, item, patch, err);
			continue;
		}
		if (!setting)
			return err_set(err, EINVAL, "metadata.json: %s cannot be set",
				       item->string);
		r = check_setting(setting, item, err);
		if (r == 0)
			r = add_copy(patch, item, err);
	}
	return r;
}

static int parse(const struct buf *text, cJSON **out, struct err *err)
{
	struct json_where where = {0};
	const char *bytes = text->data ? text->data : "";
	int r = json_parse(bytes, text->len, out, &where);

	if (r == 0 && !cJSON_IsObject(*out))
		return err_set(err, EINVAL, "metadata.json: line 1, column 1: not an object");
	if (r == 0)
		r = json_check_unique(*out, bytes, text->len, &where);
	if (r == -ENOMEM)
		return err_set(err, ENOMEM, "no memory for a document");
	return r < 0 ? err_set(err, EINVAL, "metadata.json: line %zu, column %zu: %s", where.line,
			       where.column, where.what)
		     : 0;
}

int metadata_commit(struct tree *t, struct dir *d, const struct object *seen,
		    const struct buf *text, const struct request *rq)
{
	_cleanup_json_ cJSON *doc = NULL, *now = NULL, *patch = cJSON_CreateObject();
	struct kv *kv = t->config.kv;
	int r = parse(text, &doc, rq->err);

	/* It was set by this very descriptor before. */
	if (r == 0 && !seen)
		r = kv->ops->metadata(kv, d->path, rq->limit, &now, rq->err);
	if (r == 0 && !patch)
		r = err_set(rq->err, ENOMEM, "no memory");
	if (r == 0)
		r = compare(seen ? container_of(seen, struct tree_json, object)->json : now, doc,
			    patch, rq->err);
	return r < 0 || !patch->child ? r : metadata_change(t, d, steal(patch), rq);
}
