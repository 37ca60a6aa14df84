/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_WAIT_H
#define BASE_WAIT_H

#include <stdbool.h>
#include <stdint.h>

/* How a request waits without a thread.
 *
 * A function that may have to wait takes a `struct ask`. Where the answer is not in memory it puts
 * ask->waiter in the queue of what it waits for and returns PARKED; when that has come, ready() is
 * called, once, and the caller asks anew. A queue belongs to a structure and is guarded by that
 * structure's lock. */

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
	/* NULL: answer from memory, or return PARKED and have nothing queued. */
	struct waiter *waiter;
};

/* Under the queue's lock. Returns PARKED. */
int waitq_park_locked(struct waitq *q, const struct ask *ask);

/* Empties the queue, under its lock; the result goes to waitq_wake() when the lock is dropped. */
struct waitq waitq_take_locked(struct waitq *q);

/* Calls ready() on each, in the order in which they came. Call it without any lock. */
void waitq_wake(struct waitq taken);

#endif
