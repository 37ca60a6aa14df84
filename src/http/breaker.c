// SPDX-License-Identifier: Apache-2.0
/* A circuit breaker, as a state machine without a clock or a lock of its own.
 *
 *                 a few failures in a row               a probe is due
 *      CLOSED ---------------------------> OPEN -------------------------> PROBING
 *         ^                                  ^ \___ others: stop              |  |
 *         |                                  '---- it fails: back off --------'  |
 *         '------------------------------------------ it succeeds ---------------'
 *
 * One failure alone does not open it: a connection that broke, a server that restarts, are what
 * retries are for. Many at once do, or some that have gone on for a while. */

#include "http/breaker.h"

#include "base/clock.h"
#include "base/metric.h"

#define ROW_SHORT   3 /* in a row, where they have gone on for... */
#define ROW_LASTS   NS_PER_SEC
#define ROW_LONG    8 /* in a row, however fast */
#define BACKOFF_MIN (100 * NS_PER_MS)
#define BACKOFF_MAX (2 * NS_PER_SEC)

enum breaker_says breaker_ask(struct breaker *b, uint64_t now)
{
	if (!b->retry)
		return BREAKER_GO;
	if (b->probing || now < b->retry)
		return BREAKER_STOP;
	b->probing = true;
	return BREAKER_PROBE;
}

bool breaker_good(struct breaker *b)
{
	bool was_open = b->retry != 0;

	*b = (struct breaker){0};
	if (was_open)
		metric_move(METRIC_BREAKERS_OPEN, -1);
	return was_open;
}

static void back_off(struct breaker *b, uint64_t now, uint64_t pause)
{
	b->backoff = b->backoff ? b->backoff * 2 : BACKOFF_MIN;
	if (b->backoff > BACKOFF_MAX)
		b->backoff = BACKOFF_MAX;
	b->retry = now + clock_jitter(b->backoff);
	if (b->retry < now + pause)
		b->retry = now + pause;
}

bool breaker_bad(struct breaker *b, uint64_t now, bool probe, bool at_once, uint64_t pause)
{
	bool was_open = b->retry != 0;

	if (!b->row++)
		b->since = now;
	if (probe)
		b->probing = false;
	/* What was under way when it opened says nothing new. */
	if (was_open && !probe)
		return false;
	if (!was_open && !at_once && b->row < ROW_LONG &&
	    (b->row < ROW_SHORT || now - b->since < ROW_LASTS))
		return false;
	back_off(b, now, pause);
	if (!was_open) {
		metric_move(METRIC_BREAKERS_OPEN, 1);
		metric_count(METRIC_BREAKER_TRIPS, 0);
	}
	return !was_open;
}

void breaker_spare(struct breaker *b)
{
	b->probing = false;
}

void breaker_hope(struct breaker *b, uint64_t now)
{
	if (b->retry > now)
		b->retry = now;
}
