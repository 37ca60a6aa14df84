// SPDX-License-Identifier: Apache-2.0
/* Cancellation of one wait. */

#include "base/cancel.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <errno.h>

void cancel_init(struct cancel *c)
{
	pthread_condattr_t attr;

	*c = (struct cancel){.lock = PTHREAD_MUTEX_INITIALIZER};
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&c->cond, &attr);
	pthread_condattr_destroy(&attr);
}

void cancel_fini(struct cancel *c)
{
	pthread_cond_destroy(&c->cond);
	pthread_mutex_destroy(&c->lock);
}

void cancel_fire(struct cancel *c)
{
	LOCK_SCOPE(&c->lock);

	c->fired = true;
	pthread_cond_broadcast(&c->cond);
	if (c->wake)
		c->wake(c->arg);
}

bool cancel_fired(struct cancel *c)
{
	LOCK_SCOPE(&c->lock);

	return c->fired;
}

bool cancel_sleep(struct cancel *c, uint64_t until)
{
	struct timespec at = clock_timespec((int64_t)until);

	if (!c) {
		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
			;
		return false;
	}
	LOCK_SCOPE(&c->lock);
	while (!c->fired && pthread_cond_timedwait(&c->cond, &c->lock, &at) != ETIMEDOUT)
		;
	return c->fired;
}

void cancel_on(struct cancel *c, void (*wake)(void *), void *arg)
{
	LOCK_SCOPE(&c->lock);

	c->wake = wake;
	c->arg = arg;
	if (wake && c->fired)
		wake(arg);
}
