// SPDX-License-Identifier: Apache-2.0
/* One thread fires all timers from a list in the order of time, as munge's timer.c does. There are
 * tens of timers, not thousands, so a list is enough. */

#include "base/timer.h"

#include "base/clock.h"
#include "base/lock.h"

#include <errno.h>
#include <string.h>

struct timers {
	pthread_t thread;
	struct lock lock; /* guards all below, and what is private of every timer */
	struct cond changed;
	struct timer *head;
	struct timer *running;
	bool stop;
};

static bool unlink_locked(struct timers *ts, struct timer *t)
{
	LOCK_HELD(&ts->lock);

	for (struct timer **p = &ts->head; *p; p = &(*p)->next) {
		if (*p == t) {
			*p = t->next;
			return true;
		}
	}
	return false;
}

static void wait_locked(struct timers *ts)
{
	LOCK_HELD(&ts->lock);

	if (ts->head)
		cond_wait_until(&ts->changed, &ts->lock, ts->head->at);
	else
		cond_wait(&ts->changed, &ts->lock);
}

static void *timers_main(void *arg)
{
	struct timers *ts = arg;
	LOCK_SCOPE(&ts->lock);

	while (!ts->stop) {
		struct timer *t = ts->head;

		if (!t || t->at > clock_mono()) {
			wait_locked(ts);
			continue;
		}
		ts->head = t->next;
		ts->running = t;
		lock_release(&ts->lock);
		t->fire(t); /* may arm itself anew, or its owner may disarm and free it */
		lock_acquire(&ts->lock);
		ts->running = NULL;
		cond_broadcast(&ts->changed);
	}
	return NULL;
}

struct timers *timers_new(struct err *err)
{
	struct timers *ts = calloc(1, sizeof(*ts));
	int r;

	if (!ts) {
		err_set(err, ENOMEM, "no memory for timers");
		return NULL;
	}
	lock_init(&ts->lock, LOCK_TIMERS);
	cond_init(&ts->changed);
	r = pthread_create(&ts->thread, NULL, timers_main, ts);
	if (r != 0) {
		err_set(err, r, "cannot start the timer thread: %s", strerror(r));
		free(ts);
		return NULL;
	}
	return ts;
}

void timers_stop(struct timers *ts)
{
	bool stopped;

	if (!ts)
		return;
	lock_acquire(&ts->lock);
	stopped = ts->stop;
	ts->stop = true;
	cond_broadcast(&ts->changed);
	lock_release(&ts->lock);
	if (!stopped)
		pthread_join(ts->thread, NULL);
}

void timers_free(struct timers *ts)
{
	if (!ts)
		return;
	timers_stop(ts);
	cond_fini(&ts->changed);
	lock_fini(&ts->lock);
	free(ts);
}

bool timer_arm(struct timers *ts, struct timer *t, uint64_t at)
{
	LOCK_SCOPE(&ts->lock);
	struct timer **p = &ts->head;
	bool moved = unlink_locked(ts, t);

	if (t->disarming)
		return moved;
	t->at = at;
	while (*p && (*p)->at <= at)
		p = &(*p)->next;
	t->next = *p;
	*p = t;
	if (ts->head == t)
		cond_broadcast(&ts->changed);
	return moved;
}

void timer_disarm(struct timers *ts, struct timer *t)
{
	LOCK_SCOPE(&ts->lock);

	unlink_locked(ts, t);
	/* A callback that arms its own timer for now would otherwise run again before we wake. */
	t->disarming++;
	while (ts->running == t)
		cond_wait(&ts->changed, &ts->lock);
	t->disarming--;
}
