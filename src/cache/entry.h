/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CACHE_ENTRY_H
#define CACHE_ENTRY_H

#include "cache/cache.h"

#include <uthash.h>

struct flight;

/* The state of one kind and path. The cache's lock guards all of it. */
struct entry {
	UT_hash_handle hh;
	struct entry *prev, *next; /* the order of use, the latest first */
	struct object *object;	   /* NULL: there is no good answer */
	uint64_t fetched, fresh;   /* clock_mono() */
	uint64_t serves;       /* clock_mono() until which object or refusal serves in an outage */
	uint64_t recalled;     /* clock_mono() when the copy gave it; 0: the server did */
	uint64_t recalled_age; /* its age then */
	uint64_t retry;	       /* in an outage: the next attempt is not before this */
	uint64_t backoff;
	uint64_t failed;       /* when the last attempt failed; 0: it did not */
	struct err why;	       /* its error; in an outage an earlier refusal */
	bool outage;	       /* it failed because nobody answered */
	bool refused;	       /* `why` is the server's refusal, which serves in an outage */
	bool slow;	       /* requests no longer wait for the flight, but get the old answer */
	uid_t asker;	       /* the user charged for the flight */
	uid_t owner;	       /* the user whose share it is in: see share.h */
	bool is_used;	       /* a request has used it */
	uint64_t generation;   /* grows with each put and drop */
	struct flight *flight; /* NULL: none is under way */
	size_t key_len;
	char key[]; /* the kind's number as a byte, then the path */
};

/* The bytes that it accounts for. */
size_t entry_size(const struct entry *e);

/* Heap; NULL: no memory. */
struct entry *entry_new(size_t kind, const char *path);
void entry_free(struct entry *e);

static inline size_t entry_kind(const struct entry *e)
{
	return (unsigned char)e->key[0];
}

static inline const char *entry_path(const struct entry *e)
{
	return e->key + 1;
}

/* How an entry answers a request. */
enum entry_state {
	ENTRY_GOOD,   /* the object answers */
	ENTRY_STALE,  /* the object answers, since the server does not */
	ENTRY_FAILED, /* `why` answers */
	ENTRY_ASK,    /* the server must be asked */
};
enum entry_state entry_judge(const struct entry *e, const struct cache_config *config,
			     const struct ask *ask, uint64_t now);

/* Whether it has an answer to serve in an outage. */
bool entry_serves(const struct entry *e, uint64_t now);

/* Whether a retry is due, which requests with this state do not wait for. */
bool entry_retries(const struct entry *e, const struct cache_config *config, enum entry_state state,
		   uint64_t now);

/* Its object is true now, and fresh for `ttl`. */
void entry_believe(struct entry *e, const struct cache_config *config, uint64_t ttl);

/* Records the result of a fetch that started in `generation`: the object with its ttl, or `why`. */
void entry_fill(struct entry *e, const struct cache_config *config, struct cache_fetched *got,
		uint64_t generation);
/* Like entry_fail(), but with the copy's object, of that age. */
void entry_recall(struct entry *e, const struct cache_config *config, struct cache_fetched *got,
		  uint64_t age, const struct err *why, uint64_t generation);
uint64_t entry_age(const struct entry *e, uint64_t now);
void entry_fail(struct entry *e, const struct cache_config *config, const struct err *why,
		uint64_t generation);

#endif
