/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_KEEPING_H
#define NODE_KEEPING_H

#include "node/source.h"

/* What of the cache is kept for offline use: the `keep` and `recall` of cache_config, with a struct
 * tree_source that has an `offline`; and the `is_way`, `put` and `get` of offline_config. */
void keeping_keep(void *source, size_t kind, const char *path, struct object *object, int code);
int keeping_recall(void *source, size_t kind, const char *path, struct limit limit,
		   struct cache_fetched *out, uint64_t *age, struct err *err);
bool keeping_is_way(size_t kind);
int keeping_put(size_t kind, const struct object *object, struct buf *to);
int keeping_get(size_t kind, const char *bytes, size_t len, struct object **out);

#endif
