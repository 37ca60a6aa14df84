// SPDX-License-Identifier: Apache-2.0
/* What of the cache goes into the copy for offline use: what is read and listed, what is needed to show
 * that, and which listings were refused, without which a token that may not list would find nothing.
 * Rights and status are the server's to say, now. */

#include "node/keeping.h"

#include "node/node.h"
#include "offline/record.h"

#include <errno.h>
#include <stdlib.h>

static bool is_kept(size_t kind)
{
	return kind == TREE_DATA || kind == TREE_LIST || kind == TREE_METADATA ||
	       kind == TREE_REACH || kind == TREE_VERSION;
}

bool keeping_is_way(size_t kind)
{
	return kind == TREE_LIST || kind == TREE_REACH;
}

void keeping_keep(void *source, size_t kind, const char *path, struct object *object, int code)
{
	const struct tree_source *s = source;

	/* Nothing else takes back what was said: not a want of memory, nor a token's end by itself. */
	if (is_kept(kind) && (object || code == EACCES || code == ENOENT))
		offline_keep(s->offline, kind, path, object, code);
}

static uint64_t ttl_of(const struct tree_source *s, size_t kind, const char *path,
		       const struct object *o)
{
	switch (kind) {
	case TREE_DATA:
		return version_ttl(container_of(o, struct kv_version, object),
				   rules_ttl(&s->rules, path, s->ttl), s->negative_ttl);
	case TREE_LIST:
		return rules_ttl(&s->rules, path, s->ttl);
	case TREE_METADATA:
		return s->negative_ttl;
	default:
		return s->ttl;
	}
}

int keeping_recall(void *source, size_t kind, const char *path, struct limit limit,
		   struct cache_fetched *out, uint64_t *age, struct err *err)
{
	const struct tree_source *s = source;
	int r;

	if (!is_kept(kind))
		return -ENOENT;
	r = offline_recall(s->offline, kind, path, limit, &out->object, age);
	if (r == 0)
		out->ttl = ttl_of(s, kind, path, out->object);
	else if (r == -EACCES)
		err_set(err, EACCES, "the server refused it when it was last asked");
	return r;
}

int keeping_put(size_t kind, const struct object *o, struct buf *to)
{
	switch (kind) {
	case TREE_DATA:
	case TREE_VERSION:
		return record_put_version(container_of(o, struct kv_version, object), to);
	case TREE_LIST:
		return record_put_list(container_of(o, struct kv_list, object), to);
	case TREE_METADATA:
		return json_print(container_of(o, struct tree_json, object)->json, false, to);
	default:
		record_put_number(container_of(o, struct tree_number, object)->number, to);
		return buf_status(to);
	}
}

static int get_version(const char *bytes, size_t len, struct object **out)
{
	struct kv_version *v = NULL;
	int r = record_get_version(bytes, len, &v);

	*out = r == 0 ? &v->object : NULL;
	return r;
}

static int get_list(const char *bytes, size_t len, struct object **out)
{
	struct kv_list *list = NULL;
	int r = record_get_list(bytes, len, &list);

	*out = r == 0 ? &list->object : NULL;
	return r;
}

static int get_json(const char *bytes, size_t len, struct object **out)
{
	cJSON *json = NULL;

	if (json_parse(bytes, len, &json, NULL) < 0)
		return -EBADMSG;
	return source_new_json(json, out);
}

static int get_number(const char *bytes, size_t len, struct object **out)
{
	struct record r = {.at = bytes, .end = bytes + len};
	unsigned number = (unsigned)record_get_number(&r);

	return r.bad ? -EBADMSG : source_new_number(number, out);
}

int keeping_get(size_t kind, const char *bytes, size_t len, struct object **out)
{
	switch (kind) {
	case TREE_DATA:
	case TREE_VERSION:
		return get_version(bytes, len, out);
	case TREE_LIST:
		return get_list(bytes, len, out);
	case TREE_METADATA:
		return get_json(bytes, len, out);
	default:
		return get_number(bytes, len, out);
	}
}
