/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* Threads for work that waits for the network. */
struct pool;

struct job {
	void (*run)(struct job *); /* owns the job from then on */
	struct job *next;	   /* private */
};

/* Up to `threads` of them, started as they are needed. NULL with `err` set where none can start. */
struct pool *pool_new(size_t threads, struct err *err);

/* Runs the job in a thread of the pool, in the order of submission; `urgent` goes before all that is
 * not. After pool_stop() too: a job is never lost, since somebody waits for it. */
void pool_submit(struct pool *p, struct job *job);
void pool_submit_urgent(struct pool *p, struct job *job);

/* Runs what is queued, then ends the threads and frees the pool. NULL is fine. */
void pool_free(struct pool *p);

#endif
