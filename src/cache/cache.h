/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CACHE_CACHE_H
#define CACHE_CACHE_H

#include "base/err.h"
#include "base/object.h"
#include "base/pool.h"
#include "base/wait.h"

/* What the server said, for as long as it may be believed: objects by kind and path, each fetched at
 * most once at a time whoever asks, and never replaced by what is older. Bounded in bytes. */
struct cache;
struct limit;
struct timers;

/* What a fetch came back with. */
struct cache_fetched {
	struct object *object; /* taken over by the cache */
	uint64_t ttl;	       /* ns for which it is fresh */
};

/* One kind of object ("data", "list"). Kinds are numbered from 0, as in cache_config.kinds. */
struct cache_kind {
	const char *name;
	/* From the server; may wait. 0 or -errno with `err` set. */
	int (*fetch)(void *source, const char *path, struct limit limit, struct cache_fetched *out,
		     struct err *err);
	/* Whether `now` may take the place of `then`: false for what is older. NULL: always. */
	bool (*newer)(const struct object *now, const struct object *then);
};

struct cache_config {
	const struct cache_kind *kinds;
	size_t kind_count;
	void *source; /* for fetch() */
	struct pool *pool;
	size_t bytes;
	uint64_t timeout; /* ns, for a fetch that nobody waits for */
	/* Who has waited for a tenth of that, but 0.1 s to 1 s, gets what is old, if there is any.
	 * NULL: he waits to the end. */
	struct timers *timers;
	uint64_t refusal_ttl; /* ns for which a refusal (EACCES, ENOENT) is believed */
	uint64_t max_stale;   /* ns after its freshness for which a value serves in an outage */
	bool (*is_outage)(int code);
	size_t ahead; /* fetches at a time before anybody asks */
	/* A copy elsewhere of what was learnt; NULL: there is none. `keep` is told each object that is
	 * believed, or (NULL) with which errno it was refused; it must not wait, nor call us. `recall`
	 * is asked in an outage for what is not in memory: 0 with the object, its ttl and its age; or
	 * -errno, of which -EACCES is an answer. */
	void (*keep)(void *source, size_t kind, const char *path, struct object *object, int code);
	int (*recall)(void *source, size_t kind, const char *path, struct limit limit,
		      struct cache_fetched *out, uint64_t *age, struct err *err);
};

/* What is known of an answer besides itself. */
struct cache_note {
	uint64_t fetched; /* clock_mono() at which the server said so */
	uint64_t fresh;	  /* clock_mono() until which it is fresh */
	bool stale;	  /* an outage: it is served past that */
	bool recalled;	  /* it is from the copy: `fetched` tells nothing */
	uint64_t age;	  /* ns since the server said so */
};

/* NULL: no memory. The pool must end before the cache is freed. */
struct cache *cache_new(const struct cache_config *config, struct err *err);
void cache_free(struct cache *c);
#define CACHE_PATH_MAX 4000 /* longer paths are -ENAMETOOLONG */

/* The object of that kind and path. 0, with a reference of the caller's in *out; -errno, as the
 * server's answer was; or PARKED. `note` may be NULL. */
int cache_get(struct cache *c, size_t kind, const char *path, const struct ask *ask,
	      struct object **out, struct cache_note *note, struct err *err);

/* The same from memory alone, however old; NULL where there is none. */
struct object *cache_peek(struct cache *c, size_t kind, const char *path);

/* Fetches it where nothing good is known of it, for who is likely to ask soon. False: not now, since
 * as many as may be are under way, or the cache has no room for them. */
bool cache_ahead(struct cache *c, size_t kind, const char *path);

/* What we know since we made it so: a write's result. Takes `object`. Fetches that are under way are
 * not believed any more. */
void cache_put(struct cache *c, size_t kind, const char *path, struct object *object, uint64_t ttl);

/* The same of what was read past the cache: nothing, and false, where it has been put, dropped or amended
 * since `mark`, which is of cache_mark() before it was asked for. */
bool cache_learn(struct cache *c, size_t kind, const char *path, struct object *object,
		 uint64_t ttl, uint64_t mark);
uint64_t cache_mark(struct cache *c);

/* Puts `object`, which it takes, in the place of the one that is there, for as long as that one was
 * fresh; does nothing where there is none. Fetches that are under way are not believed. */
void cache_amend(struct cache *c, size_t kind, const char *path, struct object *object);

/* Something that follows from what else the server has said, true until `until` (clock_mono()). It
 * takes the place of nothing that is newer, and serves in an outage alone. Takes `object`. */
void cache_infer(struct cache *c, size_t kind, const char *path, struct object *object,
		 uint64_t until);

/* Forget; fetches that are under way are not believed. */
void cache_drop(struct cache *c, size_t kind, const char *path);
void cache_drop_all(struct cache *c);

/* Bytes held, and things known, now; and both as metrics, before those are printed. */
size_t cache_bytes(struct cache *c);
size_t cache_count(struct cache *c);
void cache_measure(struct cache *c);

#endif
