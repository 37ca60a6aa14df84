// SPDX-License-Identifier: Apache-2.0
/* What the cache fetches for the tree, and for how long each kind may be believed. */

#include "node/source.h"

#include "base/clock.h"
#include "base/json.h"
#include "node/node.h"
#include "node/status.h"
#include "node/writable.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int no_memory(struct err *err)
{
	return err_set(err, ENOMEM, "no memory for an answer");
}

uint64_t version_ttl(const struct kv_version *v, uint64_t ttl, uint64_t negative_ttl)
{
	int64_t left;

	if (v->state == KV_ABSENT)
		return negative_ttl;
	if (v->state != KV_LIVE || !v->deletion)
		return ttl;
	left = v->deletion - clock_wall();
	if (left <= 0)
		return 0;
	return (uint64_t)left < ttl ? (uint64_t)left : ttl;
}

static int fetch_data(void *source, const char *path, struct limit limit, struct cache_fetched *out,
		      struct err *err)
{
	const struct tree_source *s = source;
	struct kv_version *v = NULL;
	int r = s->kv->ops->read(s->kv, path, limit, &v, err);

	if (r < 0)
		return r;
	out->object = &v->object;
	out->ttl = version_ttl(v, rules_ttl(&s->rules, path, s->ttl), s->negative_ttl);
	return 0;
}

char *source_version_key(const char *path, int64_t number, int64_t created)
{
	char *key;

	return asprintf(&key, "%" PRId64 ".%" PRId64 "/%s", number, created, path) < 0 ? NULL : key;
}

static int fetch_version(void *source, const char *key, struct limit limit,
			 struct cache_fetched *out, struct err *err)
{
	const struct tree_source *s = source;
	const char *slash = strchr(key, '/');
	struct kv_version *v = NULL;
	int r;

	if (!s->kv->ops->read_version)
		return err_set(err, EOPNOTSUPP, "this engine keeps no versions");
	r = s->kv->ops->read_version(s->kv, slash + 1, strtoll(key, NULL, 10), limit, &v, err);
	if (r < 0)
		return r;
	out->object = &v->object;
	/* Its values never change; whether it may be read is known by its metadata. */
	out->ttl = v->state == KV_LIVE ? version_ttl(v, s->ttl, s->negative_ttl) : s->negative_ttl;
	return 0;
}

/* Answers and writes may come in another order than the server gave and took them. A server that went
 * back began another era; a secret that was purged and made anew starts again at 1. */
static bool newer_data(const struct object *now, const struct object *then)
{
	const struct kv_version *a = container_of(now, struct kv_version, object);
	const struct kv_version *b = container_of(then, struct kv_version, object);

	if (a->era && b->era && a->era != b->era)
		return a->era > b->era;
	return a->number >= b->number || a->state == KV_ABSENT || a->created > b->created;
}

static int fetch_list(void *source, const char *path, struct limit limit, struct cache_fetched *out,
		      struct err *err)
{
	const struct tree_source *s = source;
	struct kv_list *list = NULL;
	int r = s->kv->ops->list(s->kv, path, limit, &list, err);

	if (r < 0)
		return r;
	out->object = &list->object;
	out->ttl = list->count ? rules_ttl(&s->rules, path, s->ttl) : s->negative_ttl;
	return 0;
}

static void json_object_free(struct object *o)
{
	struct tree_json *j = container_of(o, struct tree_json, object);

	cJSON_Delete(j->json);
	free(j);
}

/* What a tree takes, with the headers of its blocks. */
static size_t json_bytes(const cJSON *item)
{
	size_t bytes = 0;

	for (; item; item = item->next) {
		bytes += sizeof(*item) + 64;
		if (item->valuestring)
			bytes += strlen(item->valuestring);
		if (item->string)
			bytes += strlen(item->string);
		bytes += json_bytes(item->child);
	}
	return bytes;
}

int source_new_json(cJSON *json, struct object **out)
{
	struct tree_json *j = calloc(1, sizeof(*j));

	if (!j) {
		cJSON_Delete(json);
		return -ENOMEM;
	}
	j->object = (struct object){
		.refs = 1, .size = sizeof(*j) + json_bytes(json), .free = json_object_free};
	j->json = json;
	*out = &j->object;
	return 0;
}

static int fetch_metadata(void *source, const char *path, struct limit limit,
			  struct cache_fetched *out, struct err *err)
{
	const struct tree_source *s = source;
	cJSON *json = NULL;
	int r = s->kv->ops->metadata(s->kv, path, limit, &json, err);

	if (r < 0)
		return r;
	out->ttl = s->negative_ttl; /* versions come and go without us */
	return source_new_json(json, &out->object) < 0 ? no_memory(err) : 0;
}

static int fetch_status(void *source, const char *path, struct limit limit,
			struct cache_fetched *out, struct err *err)
{
	const struct tree_source *s = source;
	struct tree_json *j = calloc(1, sizeof(*j));
	int r = j ? status_fetch(s->vault, limit, &j->json) : -ENOMEM;

	if (r < 0) {
		free(j);
		return no_memory(err);
	}
	j->object = (struct object){.refs = 1, .size = 2048, .free = json_object_free};
	out->object = &j->object;
	out->ttl = NS_PER_SEC;
	return 0;
}

static void number_free(struct object *o)
{
	free(container_of(o, struct tree_number, object));
}

int source_new_number(unsigned number, struct object **out)
{
	struct tree_number *n = malloc(sizeof(*n));

	if (!n)
		return -ENOMEM;
	n->object = (struct object){.refs = 1, .size = sizeof(*n), .free = number_free};
	n->number = number;
	*out = &n->object;
	return 0;
}

static int number_new(unsigned number, struct cache_fetched *out, struct err *err)
{
	return source_new_number(number, &out->object) < 0 ? no_memory(err) : 0;
}

static int fetch_rights(void *source, const char *path, struct limit limit,
			struct cache_fetched *out, struct err *err)
{
	const struct tree_source *s = source;
	unsigned rights = 0;
	int r = s->kv->ops->rights(s->kv, path, limit, &rights, err);

	out->ttl = s->ttl;
	return r < 0 ? r : number_new(rights, out, err);
}

static int fetch_reach(void *source, const char *path, struct limit limit,
		       struct cache_fetched *out, struct err *err)
{
	const struct tree_source *s = source;
	enum kv_reach reach = KV_REACH_UNKNOWN;
	int r = s->kv->ops->reach(s->kv, path, limit, &reach, err);

	out->ttl = s->ttl;
	return r < 0 ? r : number_new(reach, out, err);
}

const struct cache_kind tree_cache_kinds[TREE_KINDS] = {
	[TREE_DATA] = {"data", fetch_data, newer_data},
	[TREE_LIST] = {"list", fetch_list, NULL},
	[TREE_METADATA] = {"metadata", fetch_metadata, NULL},
	[TREE_RIGHTS] = {"rights", fetch_rights, NULL},
	[TREE_REACH] = {"reach", fetch_reach, NULL},
	[TREE_VERSION] = {"version", fetch_version, NULL},
	[TREE_STATUS] = {"status", fetch_status, NULL},
	[TREE_ENTRY_RIGHTS] = {"rights", writable_fetch, NULL},
};
