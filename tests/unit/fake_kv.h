/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAKE_KV_H
#define FAKE_KV_H

#include "base/lock.h"
#include "kv/kv.h"

/* A store in memory that holds one secret. A test says what a token may do with it, and what happens
 * before each request is answered: others write, the answer is slow or gets lost. */
struct fake_kv {
	struct kv kv;
	struct lock lock; /* guards all below but what the test sets before it begins */
	cJSON *data; /* the fields as they are stored; NULL: there are none, or they are deleted */
	cJSON *custom; /* custom metadata */
	int64_t number;

	/* Set by the test. */
	unsigned rights;   /* KV_READ, ...: other requests are -EACCES */
	bool mark_refused; /* so is metadata */
	bool doubles;	   /* numbers are spelt as Go does */
	int lost;	   /* errno that the next write is answered with, after it was made */
	/* Called without the lock, before request `n` (1: the first) of its kind is carried out. */
	void (*before_write)(struct fake_kv *f, unsigned n);

	unsigned reads, writes, patches, marks, deletes; /* requests that came */
};

/* With version 1, of these fields; NULL: with no secret. All rights. */
void fake_kv_init(struct fake_kv *f, const char *data);
void fake_kv_fini(struct fake_kv *f);

/* Somebody else makes a version of these fields. */
void fake_kv_put(struct fake_kv *f, const char *data);

/* Whether the latest version is number `number`, and holds these fields. */
bool fake_kv_holds(struct fake_kv *f, int64_t number, const char *data);

/* Calls kv->ops->read(); the result is the caller's. */
struct kv_version *fake_kv_latest(struct fake_kv *f);

#endif
