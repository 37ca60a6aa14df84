/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TREE_SOURCE_H
#define TREE_SOURCE_H

#include "cache/cache.h"
#include "kv/kv.h"

/* The kinds of object that the tree keeps in the cache; see tree_cache_kinds. */
enum { TREE_DATA, TREE_LIST, TREE_METADATA, TREE_RIGHTS, TREE_REACH, TREE_KINDS };

/* What TREE_RIGHTS and TREE_REACH hold. */
struct tree_number {
	struct object object;
	unsigned number;
};

extern const struct cache_kind tree_cache_kinds[TREE_KINDS];

/* What the cache fetches from; goes into cache_config.source. A plain value, that must outlive the
 * cache. */
struct tree_source {
	struct kv *kv;
	uint64_t ttl, negative_ttl;
};

#endif
