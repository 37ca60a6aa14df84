/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CACHE_ENTRY_H
#define CACHE_ENTRY_H

#include "cache/cache.h"

#include <uthash.h>

struct flight;

/* What is known of one kind and path. All of it is guarded by the cache's lock. */
struct entry {
	UT_hash_handle hh;
	struct entry *prev, *next; /* the order of use, the latest first */
	struct object *object;	   /* NULL: nothing good is known */
	uint64_t fetched, fresh;   /* clock_mono() */
	uint64_t serves;   /* clock_mono() until which it, or the refusal, serves in an outage */
	uint64_t recalled; /* from the copy, at clock_mono(); 0: from the server */
	uint64_t recalled_age; /* that it had then */
	uint64_t retry;	       /* in an outage: no new attempt before this */
	uint64_t backoff;
	uint64_t failed;       /* when the last attempt ended badly; 0: it did not */
	struct err why;	       /* of it; in an outage a refusal from before that */
	bool outage;	       /* it ended badly since nobody answered */
	bool refused;	       /* `why` is the server's refusal, which serves in an outage */
	bool slow;	       /* who waits for the flight is given what was known before it */
	uid_t asker;	       /* on whose account it was */
	uid_t owner;	       /* whose share it is of: see share.h */
	bool is_used;	       /* somebody has asked for it */
	uint64_t generation;   /* grows with each put and drop */
	struct flight *flight; /* NULL: none is under way */
	size_t key_len;
	char key[]; /* the kind's number as a byte, then the path */
};

/* The number of bytes that it stands for. */
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

/* Judges what an entry knows, for a request. */
enum entry_state {
	ENTRY_GOOD,   /* the object answers */
	ENTRY_STALE,  /* the object answers, since the server does not */
	ENTRY_FAILED, /* `why` answers */
	ENTRY_ASK,    /* the server must be asked */
};
enum entry_state entry_judge(const struct entry *e, const struct cache_config *config,
			     const struct ask *ask, uint64_t now);

/* Whether something is known that serves while the server does not answer. */
bool entry_serves(const struct entry *e, uint64_t now);

/* Whether it is time for an attempt that those who are told so do not wait for. */
bool entry_retries(const struct entry *e, const struct cache_config *config, enum entry_state state,
		   uint64_t now);

/* What it has is true now, and fresh for `ttl`. */
void entry_believe(struct entry *e, const struct cache_config *config, uint64_t ttl);

/* Takes in how a fetch that started in `generation` has ended: the object with its ttl, or err. */
void entry_fill(struct entry *e, const struct cache_config *config, struct cache_fetched *got,
		uint64_t generation);
/* In place of entry_fail(): the copy had an object in the server's stead, of that age. */
void entry_recall(struct entry *e, const struct cache_config *config, struct cache_fetched *got,
		  uint64_t age, const struct err *why, uint64_t generation);
uint64_t entry_age(const struct entry *e, uint64_t now);
void entry_fail(struct entry *e, const struct cache_config *config, const struct err *why,
		uint64_t generation);

#endif
