/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_WAIT_H
#define BASE_WAIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* How a request waits without a thread.
 *
 * A function that may have to wait takes a `struct ask`. If the answer is not in memory, it queues
 * ask->waiter and returns PARKED. When the answer has come, ready() is called, once, and the caller asks
 * again. A queue belongs to a structure and is guarded by that structure's lock. A waiter never leaves
 * the queue early: a caller that loses interest sets a mark and ignores ready(), so that two locks are
 * never needed at once. */

/* Neither 0 nor -errno: ask again when ready() is called. */
#define PARKED 1

struct waiter {
	/* Called without any lock. The waiter has left the queue, and may be queued again. */
	void (*ready)(struct waiter *);
	struct waiter *next;
};

struct waitq {
	struct waiter *head;
};

struct ask {
	uint64_t asked;	   /* clock_mono(): anything learnt since then is an answer */
	uint64_t since;	   /* clock_mono(): anything older is no answer, fresh or not; usually 0 */
	uint64_t deadline; /* clock_mono() */
	int asker;	   /* the calling thread, by the kernel's number; 0: nobody who matters */
	uid_t uid;	   /* its user; 0 if we ask for ourselves */
	gid_t gid;
	/* NULL: answer from memory, or return PARKED without queueing. */
	struct waiter *waiter;
};

/* Under the queue's lock. Returns PARKED. */
static inline int waitq_park_locked(struct waitq *q, const struct ask *ask)
{
	if (ask->waiter) {
		ask->waiter->next = q->head;
		q->head = ask->waiter;
	}
	return PARKED;
}

/* Empties the queue, under its lock; the result goes to waitq_wake() when the lock is dropped. */
static inline struct waitq waitq_take_locked(struct waitq *q)
{
	struct waitq taken = {NULL};

	/* Waiters were pushed in front: reverse them, so that the first to come is woken first. */
	while (q->head) {
		struct waiter *w = q->head;

		q->head = w->next;
		w->next = taken.head;
		taken.head = w;
	}
	return taken;
}

/* Calls ready() on each, first come, first served. Call it without any lock. */
static inline void waitq_wake(struct waitq taken)
{
	while (taken.head) {
		struct waiter *w = taken.head;

		taken.head = w->next; /* ready() may queue it again, or free it */
		w->ready(w);
	}
}

#endif
