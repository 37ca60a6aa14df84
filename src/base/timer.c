// SPDX-License-Identifier: Apache-2.0
/* One thread that keeps all the appointments: a list in the order of time, as munge's timer.c has it.
 * There are tens of timers, not thousands, so that a list is enough. */

#include "base/timer.h"

#include "base/clock.h"

#include <errno.h>
#include <string.h>

struct timers {
	pthread_t thread;
	pthread_mutex_t lock; /* guards all below, and what is private of every timer */
	pthread_cond_t changed;
	struct timer *head;
	struct timer *running;
	bool stop;
};

static bool unlink_locked(struct timers *ts, struct timer *t)
{
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
	struct timespec at;

	if (!ts->head) {
		pthread_cond_wait(&ts->changed, &ts->lock);
		return;
	}
	at = clock_timespec((int64_t)ts->head->at);
	pthread_cond_timedwait(&ts->changed, &ts->lock, &at);
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
		pthread_mutex_unlock(&ts->lock);
		t->fire(t); /* may arm itself anew, or be freed by its owner after disarm */
		pthread_mutex_lock(&ts->lock);
		ts->running = NULL;
		pthread_cond_broadcast(&ts->changed);
	}
	return NULL;
}

struct timers *timers_new(struct err *err)
{
	struct timers *ts = calloc(1, sizeof(*ts));
	pthread_condattr_t attr;
	int r;

	if (!ts) {
		err_set(err, ENOMEM, "no memory for timers");
		return NULL;
	}
	pthread_mutex_init(&ts->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&ts->changed, &attr);
	pthread_condattr_destroy(&attr);
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
	pthread_mutex_lock(&ts->lock);
	stopped = ts->stop;
	ts->stop = true;
	pthread_cond_broadcast(&ts->changed);
	pthread_mutex_unlock(&ts->lock);
	if (!stopped)
		pthread_join(ts->thread, NULL);
}

void timers_free(struct timers *ts)
{
	if (!ts)
		return;
	timers_stop(ts);
	pthread_cond_destroy(&ts->changed);
	pthread_mutex_destroy(&ts->lock);
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
		pthread_cond_broadcast(&ts->changed);
	return moved;
}

void timer_disarm(struct timers *ts, struct timer *t)
{
	LOCK_SCOPE(&ts->lock);

	unlink_locked(ts, t);
	/* A call that arms its own timer for now would run again each time before we are woken. */
	t->disarming++;
	while (ts->running == t)
		pthread_cond_wait(&ts->changed, &ts->lock);
	t->disarming--;
}
