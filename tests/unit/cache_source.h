/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIT_CACHE_SOURCE_H
#define UNIT_CACHE_SOURCE_H

#include "unit_support.h"

#include "cache/cache.h"

#include <stdio.h>

/* A server for the cache's tests: each fetch yields the next number, or fails, or is held until it is
 * released. */

enum { DATA, OTHER };

#define REFUSAL_TTL  (50 * NS_PER_MS)
#define CACHE_BYTES  (64u << 10)
#define SOURCE_AHEAD 3

struct source {
	uint64_t ttl;
	int fails;     /* an errno that fetches fail with; 0: they do not */
	bool held;     /* fetches wait for source_release() */
	bool compares; /* what is put in must have the higher number */
	unsigned next; /* the number that every fetch yields; 0: they count up from 1 */
	size_t object_bytes;
	uint64_t max_stale, timeout;
	bool patient; /* a slow fetch releases waiters with an old object */
	/* what came of it */
	struct tally entered, released;
	int calls, alive; /* atomic; fetches, and objects that are not freed */
	struct pool *pool;
	struct timers *timers;
	struct cache *cache;
};

struct cache *source_cache(struct source *s);
void source_release(struct source *s);
/* Ends the fetches and frees the cache; nothing may be left of its objects. */
void source_end(struct source *s, struct cache *c);
struct object *source_object(struct source *s, unsigned number);
unsigned number_of(const struct object *o);

struct ask ask_now(struct waiter *waiter);

/* The result of a cache_get(); the object has been put already. */
struct got {
	int r;
	unsigned number;
	struct cache_note note;
	struct err err;
};
struct got get(struct cache *c, const char *path, const struct ask *ask);

/* Calls cache_get() with the patience of a request: asks again after ready(). */
struct got wait_for(struct cache *c, const char *path);
struct got wait_for_kind(struct cache *c, size_t kind, const char *path);
struct got wait_since(struct cache *c, const char *path, uint64_t since);

/* The number in memory; 0: nothing. */
unsigned peek(struct cache *c, const char *path);

#endif
