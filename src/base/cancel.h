/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_CANCEL_H
#define BASE_CANCEL_H

#include "base/err.h"
#include "base/lock.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Tells a thread that waits for the network that nobody wants the answer any more. */
struct cancel {
	struct lock lock; /* guards all below */
	struct cond cond;
	bool fired;
	void (*wake)(void *arg);
	void *arg;
};

/* How long a call may wait for the network, what cancels it, and which user it is charged to. */
struct limit {
	uint64_t deadline;     /* clock_mono() */
	struct cancel *cancel; /* NULL: only the deadline ends it */
	uid_t uid;	       /* the budgets of this user are charged; 0: root's and our own */
};

void cancel_init(struct cancel *c);
void cancel_fini(struct cancel *c);

/* Cannot be undone; calls the wake function if one is set. */
void cancel_fire(struct cancel *c);
bool cancel_fired(struct cancel *c);

/* Sleeps until clock_mono() is `until`; returns true early if `c` is fired. NULL never fires. */
bool cancel_sleep(struct cancel *c, uint64_t until);

/* Sets how to wake the waiting thread: `wake` is called under the lock of `c`, and at once if it has
 * fired already. NULL removes it, and returns only when no call is under way. */
void cancel_on(struct cancel *c, void (*wake)(void *), void *arg);

#endif
