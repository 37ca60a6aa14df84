/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_WAIT_H
#define BASE_WAIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* How a request waits without a thread.
 *
 * A function that may have to wait takes a `struct ask`. Where the answer is not in memory it puts
 * ask->waiter in the queue of what it waits for and returns PARKED; when that has come, ready() is
 * called, once, and the caller asks anew. A queue belongs to a structure and is guarded by that
 * structure's lock. A waiter never leaves it early: who loses interest marks itself and ignores the
 * call, so that no two locks are ever needed at once. */

/* Neither 0 nor -errno: "ask again when you are told to". */
#define PARKED 1

struct waiter {
	/* No lock is held. The waiter is in no queue any more, and may be queued again. */
	void (*ready)(struct waiter *);
	struct waiter *next;
};

struct waitq {
	struct waiter *head;
};

struct ask {
	uint64_t asked;	   /* clock_mono(): what was learnt since then is an answer */
	uint64_t since;	   /* clock_mono(): what is older is no answer, fresh or not; usually 0 */
	uint64_t deadline; /* clock_mono() */
	int asker; /* the thread that asks, as the kernel numbers it; 0: nobody who matters */
	uid_t uid; /* its user: 0 where we ask for ourselves */
	gid_t gid;
	/* NULL: answer from memory, or return PARKED and have nothing queued. */
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

	/* They were pushed in front: turn them round, so that the first is woken first. */
	while (q->head) {
		struct waiter *w = q->head;

		q->head = w->next;
		w->next = taken.head;
		taken.head = w;
	}
	return taken;
}

/* Calls ready() on each, in the order in which they came. Call it without any lock. */
static inline void waitq_wake(struct waitq taken)
{
	while (taken.head) {
		struct waiter *w = taken.head;

		taken.head = w->next; /* ready() may queue it again, or free it */
		w->ready(w);
	}
}

#endif
