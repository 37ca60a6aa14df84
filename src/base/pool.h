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
	void (*run)(struct job *); /* owns the job from here on */
	uid_t uid;		   /* the user it runs for; 0: root and ourselves */
	struct job *next;	   /* private */
};

/* Threads beyond the number of pool_new(), for jobs of uids that have none running. */
#define POOL_RESERVE 4

/* Up to `threads` threads, started as they are needed. NULL with `err` set if none can start. */
struct pool *pool_new(size_t threads, struct err *err);

/* Runs the job in a thread of the pool; urgent jobs go before all others. Of the others, the uid with the
 * fewest running jobs goes first, and each uid's jobs run in the order of submission. pool_free() runs
 * the jobs that are still queued: none is lost, since somebody waits for it. */
void pool_submit(struct pool *p, struct job *job);
void pool_submit_urgent(struct pool *p, struct job *job);

/* Runs the queued jobs, then ends the threads and frees the pool. NULL is fine. */
void pool_free(struct pool *p);

#endif
