/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CACHE_CACHE_H
#define CACHE_CACHE_H

#include "base/err.h"
#include "base/object.h"
#include "base/pool.h"
#include "base/wait.h"

/* The server's answers, for as long as they may be believed: objects by kind and path. Each is
 * fetched at most once at a time, and never replaced by an older one. Bounded in bytes. */
struct cache;
struct limit;
struct timers;

/* The result of a fetch. */
struct cache_fetched {
	struct object *object; /* the cache takes it */
	uint64_t ttl;	       /* ns for which it is fresh */
};

/* One kind of object ("data", "list"). Kinds are numbered from 0, as in cache_config.kinds. */
struct cache_kind {
	const char *name;
	/* Asks the server; may wait. 0 or -errno with `err` set. */
	int (*fetch)(void *source, const char *path, struct limit limit, struct cache_fetched *out,
		     struct err *err);
	/* Whether `now` may replace `then`: false if it is older. NULL: always. */
	bool (*newer)(const struct object *now, const struct object *then);
};

struct cache_config {
	const struct cache_kind *kinds;
	size_t kind_count;
	void *source; /* for fetch() */
	struct pool *pool;
	size_t bytes;
	uint64_t timeout; /* ns, for a fetch that nobody waits for */
	/* A request that has waited a tenth of `timeout`, within 0.1 s to 1 s, gets an old object if
	 * there is one. NULL: it waits to the end. */
	struct timers *timers;
	uint64_t refusal_ttl; /* ns for which a refusal (EACCES, ENOENT) is believed */
	uint64_t max_stale;   /* ns after its freshness for which a value serves in an outage */
	bool (*is_outage)(int code);
	size_t ahead; /* the most prefetches at a time */
	/* A copy of the answers elsewhere; NULL: there is none. `keep` receives each believed
	 * object, or NULL with the errno of a refusal; it must not wait, nor call the cache.
	 * `recall` is asked in an outage for an object that is not in memory: 0 with the object,
	 * its ttl and its age; or -errno, of which -EACCES is an answer. */
	void (*keep)(void *source, size_t kind, const char *path, struct object *object, int code);
	int (*recall)(void *source, size_t kind, const char *path, struct limit limit,
		      struct cache_fetched *out, uint64_t *age, struct err *err);
};

/* Properties of an answer. */
struct cache_note {
	uint64_t fetched; /* clock_mono() at which the server gave it */
	uint64_t fresh;	  /* clock_mono() until which it is fresh */
	bool stale;	  /* served past that, because of an outage */
	bool recalled;	  /* from the copy: `fetched` means nothing */
	uint64_t age;	  /* ns since the server gave it */
};

/* NULL: no memory. The pool must end before the cache is freed. */
struct cache *cache_new(const struct cache_config *config, struct err *err);
void cache_free(struct cache *c);
#define CACHE_PATH_MAX 4000 /* longer paths are -ENAMETOOLONG */

/* The object of that kind and path. 0 with a reference in *out, which the caller puts; the server's
 * -errno; or PARKED. `note` may be NULL. */
int cache_get(struct cache *c, size_t kind, const char *path, const struct ask *ask,
	      struct object **out, struct cache_note *note, struct err *err);

/* The object in memory, however old; NULL if there is none. */
struct object *cache_peek(struct cache *c, size_t kind, const char *path);

/* Prefetches an object that is likely to be asked for, unless something good is known of it. False:
 * not now, because enough prefetches are under way or the cache has no room. */
bool cache_ahead(struct cache *c, size_t kind, const char *path);

/* Stores the result of our own write. Takes `object`. Fetches under way are not believed any
 * more. */
void cache_put(struct cache *c, size_t kind, const char *path, struct object *object, uint64_t ttl);

/* Stores an object that was read past the cache. Does nothing and returns false if the entry was
 * put, dropped or amended since `mark`, which cache_mark() returned before the read. */
bool cache_learn(struct cache *c, size_t kind, const char *path, struct object *object,
		 uint64_t ttl, uint64_t mark);
uint64_t cache_mark(struct cache *c);

/* Replaces the existing object by `object`, which it takes, and keeps its freshness; does nothing
 * if there is none. Fetches under way are not believed. */
void cache_amend(struct cache *c, size_t kind, const char *path, struct object *object);

/* Stores an object inferred from other answers, true until `until` (clock_mono()). It replaces
 * nothing newer, and serves only in an outage. Takes `object`. */
void cache_infer(struct cache *c, size_t kind, const char *path, struct object *object,
		 uint64_t until);

/* Forget entries; fetches under way are not believed. */
void cache_drop(struct cache *c, size_t kind, const char *path);
void cache_drop_all(struct cache *c);

/* Bytes held and number of entries now; and both as metrics, to be called before printing those. */
size_t cache_bytes(struct cache *c);
size_t cache_count(struct cache *c);
void cache_measure(struct cache *c);

#endif
