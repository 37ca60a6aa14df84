// SPDX-License-Identifier: Apache-2.0
/* The request budget, as a virtual schedule: each request books the next free moment and sleeps until
 * then, so that there is no queue to keep. */

#include "http/budget.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/metric.h"

#include <errno.h>

void budget_init(struct budget *b, unsigned rate)
{
	*b = (struct budget){.lock = PTHREAD_MUTEX_INITIALIZER};
	b->interval = rate ? NS_PER_SEC / rate : 0;
	b->burst = NS_PER_SEC / 10;
}

void budget_fini(struct budget *b)
{
	pthread_mutex_destroy(&b->lock);
}

/* Books a place: when it comes free, or 0 where that is after the deadline. */
static uint64_t book(struct budget *b, uint64_t deadline)
{
	LOCK_SCOPE(&b->lock);
	uint64_t now = clock_mono(), at;

	if (b->next + b->burst < now)
		b->next = now - b->burst;
	at = b->next > now ? b->next : now;
	if (at >= deadline)
		return 0;
	b->next += b->interval;
	return at;
}

int budget_take(struct budget *b, struct limit limit)
{
	uint64_t at;

	if (!b->interval)
		return 0;
	at = book(b, limit.deadline);
	if (!at)
		return -ETIMEDOUT;
	if (at <= clock_mono())
		return 0;
	metric_count(METRIC_WAITS, METRIC_WAIT_RATE);
	return cancel_sleep(limit.cancel, at) ? -EINTR : 0;
}
