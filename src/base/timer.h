/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_TIMER_H
#define BASE_TIMER_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* Calls at points in time, all from one thread. A call must not block: what takes long is handed to
 * a pool. */
struct timers;

struct timer {
	void (*fire)(struct timer *); /* set before the first timer_arm() */
	uint64_t at;		      /* private from here on; all zero at first */
	struct timer *next;
	unsigned disarming; /* how many wait for its call to end: it is not armed meanwhile */
};

/* Starts the thread. NULL with `err` set where that fails. */
struct timers *timers_new(struct err *err);

/* Ends the thread, after which nothing fires any more; timers can be armed and disarmed still. NULL is
 * fine, and to be told twice. */
void timers_stop(struct timers *ts);
/* The same, and frees it. */
void timers_free(struct timers *ts);

/* Fires once at `at` (clock_mono()). Arming an armed timer moves it, and is true; where its call has
 * begun, which may yet wait for a lock of the caller's, there will be another. One that is being
 * disarmed is not armed. */
bool timer_arm(struct timers *ts, struct timer *t, uint64_t at);

/* After it returns the timer is not armed and its call is not running; not to be called from a call,
 * nor with a lock held that a call takes. */
void timer_disarm(struct timers *ts, struct timer *t);

#endif
