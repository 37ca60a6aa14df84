/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_TIMER_H
#define BASE_TIMER_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* Callbacks at points in time, all from one thread. A callback must not block: long work goes to a
 * pool. */
struct timers;

struct timer {
	void (*fire)(struct timer *); /* set before the first timer_arm() */
	uint64_t at;		      /* private from here on; all zero at first */
	struct timer *next;
	unsigned disarming; /* threads waiting for its callback to end: arming does nothing then */
};

/* Starts the thread. NULL with `err` set on failure. */
struct timers *timers_new(struct err *err);

/* Ends the thread: nothing fires any more, but timers can still be armed and disarmed. NULL is fine, and
 * so is a second call. */
void timers_stop(struct timers *ts);
/* Stops the thread and frees the timers. */
void timers_free(struct timers *ts);

/* Fires once at `at` (clock_mono()). Arming an armed timer moves it and returns true. If its callback has
 * begun and waits for a lock of the caller's, it will run once more. A timer that is being disarmed stays
 * unarmed. */
bool timer_arm(struct timers *ts, struct timer *t, uint64_t at);

/* On return the timer is not armed and its callback is not running. Do not call it from a callback, nor
 * with a lock held that a callback takes. */
void timer_disarm(struct timers *ts, struct timer *t);

#endif
