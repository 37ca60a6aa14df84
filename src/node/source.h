/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_SOURCE_H
#define NODE_SOURCE_H

#include "cache/cache.h"
#include "kv/kv.h"
#include "offline/offline.h"
#include "rule/rules.h"
#include "secrets/kinds.h"

/* What TREE_VERSION has in the place of a path: an old version with the time at which it was made, 0
 * where that is not known, since numbers start again when a secret was purged. Heap; NULL: no memory. */
char *source_version_key(const char *path, int64_t number, int64_t created);

extern const struct cache_kind tree_cache_kinds[TREE_KINDS];

/* What the cache fetches from; goes into cache_config.source. A plain value, that must outlive the
 * cache. */
struct tree_source {
	struct kv *kv;
	struct vault *vault;	 /* NULL: there is no server */
	struct offline *offline; /* NULL: no copy is kept */
	uint64_t ttl, negative_ttl;
	struct rules rules;  /* per path, before `ttl` */
	struct cache *cache; /* that fetches from here */
};

/* Objects as TREE_METADATA has them, and as TREE_RIGHTS and TREE_REACH do. The first takes `json`, in
 * any case. 0 or -ENOMEM. */
int source_new_json(cJSON *json, struct object **out);
int source_new_number(unsigned number, struct object **out);

/* For how long a version is fresh: one that is to be deleted not beyond that moment. */
uint64_t version_ttl(const struct kv_version *v, uint64_t ttl, uint64_t negative_ttl);

#endif
