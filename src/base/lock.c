// SPDX-License-Identifier: Apache-2.0
/* Conditions by the monotonic clock, so that a wait does not change with the time of day. */

#include "base/lock.h"

#include "base/clock.h"

#include <errno.h>

void cond_init(struct cond *c)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&c->cond, &attr);
	pthread_condattr_destroy(&attr);
}

void cond_wait(struct cond *c, struct lock *l)
{
	pthread_cond_wait(&c->cond, &l->mutex);
}

bool cond_wait_until(struct cond *c, struct lock *l, uint64_t until)
{
	struct timespec at = clock_timespec(until < INT64_MAX ? (int64_t)until : INT64_MAX);

	return pthread_cond_timedwait(&c->cond, &l->mutex, &at) != ETIMEDOUT;
}
