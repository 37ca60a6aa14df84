// SPDX-License-Identifier: Apache-2.0
/* Cancellation of one wait. */

#include "base/cancel.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <errno.h>

void cancel_init(struct cancel *c)
{

	*c = (struct cancel){0};
	lock_init(&c->lock, LOCK_CANCEL);
	cond_init(&c->cond);
}

void cancel_fini(struct cancel *c)
{
	cond_fini(&c->cond);
	lock_fini(&c->lock);
}

void cancel_fire(struct cancel *c)
{
	LOCK_SCOPE(&c->lock);

	c->fired = true;
	cond_broadcast(&c->cond);
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
	if (!c) {
		struct timespec at = clock_timespec((int64_t)until);

		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
			;
		return false;
	}
	LOCK_SCOPE(&c->lock);
	while (!c->fired && cond_wait_until(&c->cond, &c->lock, until))
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
