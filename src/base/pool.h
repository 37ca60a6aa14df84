/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Threads for work that waits for the network. */
struct pool;

struct job {
	void (*run)(struct job *); /* owns the job from then on */
	uid_t uid;		   /* on whose account; 0: root's and our own */
	struct job *next;	   /* private */
};

/* Threads beyond the number of pool_new(), for jobs of uids that have none running. */
#define POOL_RESERVE 4

/* Up to `threads` of them, started as they are needed. NULL with `err` set where none can start. */
struct pool *pool_new(size_t threads, struct err *err);

/* Runs the job in a thread of the pool; `urgent` goes before all that is not. Of the others the uid
 * goes first that has the fewest running, and of one uid the first that was submitted. After
 * pool_stop() too: a job is never lost, since somebody waits for it. */
void pool_submit(struct pool *p, struct job *job);
void pool_submit_urgent(struct pool *p, struct job *job);

/* Runs what is queued, then ends the threads and frees the pool. NULL is fine. */
void pool_free(struct pool *p);

#endif
