// SPDX-License-Identifier: Apache-2.0
/* The request budget, a token bucket whose places go round by user.
 *
 *      uid 0   1 2 3 4 5 6       numbered in the order of arrival: one more than the user's own last
 *      uid 7   . . 3 4           number, or than the round that is being served if that is higher
 *
 * The lowest waiting number goes first, so a user with many requests is served as often as one with
 * few, and no more often. Nobody is woken: each waiter sleeps until its turn would come if all
 * before it went in time, and looks again. A place that is missed in this way is not lost, but
 * saved. */

#include "http/budget.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/metric.h"

#include <errno.h>
#include <utlist.h>

struct budget_wait {
	struct budget_wait *prev, *next;
	uid_t uid;
	uint64_t number;
};

void budget_init(struct budget *b, unsigned rate)
{
	*b = (struct budget){.burst = NS_PER_SEC / 10};
	lock_init(&b->lock, LOCK_BUDGET);
	b->interval = rate ? NS_PER_SEC / rate : 0;
}

void budget_fini(struct budget *b)
{
	lock_fini(&b->lock);
}

static void join(struct budget *b, struct budget_wait *w)
{
	LOCK_SCOPE(&b->lock);
	uint64_t last = b->round;
	const struct budget_wait *other;

	DL_FOREACH (b->waiting, other)
		if (other->uid == w->uid && other->number > last)
			last = other->number;
	w->number = last + 1;
	DL_APPEND(b->waiting, w);
}

static void leave(struct budget *b, struct budget_wait *w)
{
	LOCK_SCOPE(&b->lock);

	DL_DELETE(b->waiting, w);
}

/* How many waiters go before it. */
static uint64_t ahead_locked(const struct budget *b, const struct budget_wait *w)
{
	LOCK_HELD(&b->lock);
	const struct budget_wait *other;
	bool came_later = false;
	uint64_t n = 0;

	DL_FOREACH (b->waiting, other) {
		came_later = came_later || other == w;
		n += other->number < w->number || (other->number == w->number && !came_later);
	}
	return n;
}

/* Takes a place if it can, and returns 0; else returns when to look again. */
static uint64_t look(struct budget *b, struct budget_wait *w)
{
	LOCK_SCOPE(&b->lock);
	uint64_t now = clock_mono(), at;

	if (b->next + b->burst < now)
		b->next = now - b->burst;
	at = b->next + ahead_locked(b, w) * b->interval;
	if (at > now)
		return at;
	b->next += b->interval;
	if (w->number > b->round)
		b->round = w->number;
	DL_DELETE(b->waiting, w);
	return 0;
}

int budget_take(struct budget *b, struct limit limit)
{
	struct budget_wait w = {.uid = limit.uid};
	uint64_t at;

	if (!b->interval)
		return 0;
	join(b, &w);
	for (bool waited = false; (at = look(b, &w)); waited = true) {
		bool late = at >= limit.deadline;

		if (!late && !waited)
			metric_count(METRIC_WAITS, METRIC_WAIT_RATE);
		if (late || cancel_sleep(limit.cancel, at)) {
			leave(b, &w);
			return late ? -ETIMEDOUT : -EINTR;
		}
	}
	return 0;
}
