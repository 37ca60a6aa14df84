// SPDX-License-Identifier: Apache-2.0
/* A circuit breaker, as a state machine without a clock or a lock of its own.
 *
 *            a few failures in a row           somebody looks, and it is well
 *      CLOSED ---------------------> OPEN -------------------------------------> HALF OPEN
 *         ^                          | ^ \__ requests: stop                        |
 *         |               not well --' |                                a request: PROBE
 *         |                            '--------------------- it fails: back off --|
 *         |                                                  (others: wait for it) |
 *         '-------------------------------------------------------- it succeeds ---'
 *
 * A single failure does not open it: retries handle a broken connection or a server that restarts.
 * It opens after many failures at once, or some that go on for a while. Its owner checks the server
 * a tenth of a second after it has opened, and then once a second. */

#include "http/breaker.h"

#include "base/clock.h"
#include "base/metric.h"

#define ROW_SHORT  3 /* failures in a row that open it, if they last for ... */
#define ROW_LASTS  NS_PER_SEC
#define ROW_LONG   8 /* failures in a row that open it, however fast */
#define LOOK_FIRST (100 * NS_PER_MS)
#define LOOK_EVERY NS_PER_SEC

enum breaker_says breaker_state(const struct breaker *b)
{
	if (!b->look_at)
		return BREAKER_GO;
	if (b->probing)
		return BREAKER_WAIT;
	return b->hoped ? BREAKER_PROBE : BREAKER_STOP;
}

enum breaker_says breaker_ask(struct breaker *b)
{
	enum breaker_says says = breaker_state(b);

	b->probing |= says == BREAKER_PROBE;
	return says;
}

bool breaker_good(struct breaker *b)
{
	bool was_open = b->look_at != 0;

	*b = (struct breaker){0};
	if (was_open)
		metric_move(METRIC_BREAKERS_OPEN, -1);
	return was_open;
}

static void back_off(struct breaker *b, uint64_t now, uint64_t pause)
{
	b->backoff = b->backoff ? LOOK_EVERY : LOOK_FIRST;
	b->look_at = now + clock_jitter(b->backoff);
	if (b->look_at < now + pause)
		b->look_at = now + pause;
}

bool breaker_bad(struct breaker *b, uint64_t now, bool probe, bool at_once, uint64_t pause)
{
	bool was_open = b->look_at != 0;

	if (!b->row++)
		b->since = now;
	if (probe)
		b->probing = b->hoped = false;
	/* Requests that were under way when it opened say nothing new. */
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

void breaker_worse(struct breaker *b, uint64_t now)
{
	if (breaker_state(b) == BREAKER_STOP)
		back_off(b, now, 0);
}

void breaker_hope(struct breaker *b)
{
	b->hoped = b->look_at != 0;
}

uint64_t breaker_look(const struct breaker *b)
{
	return breaker_state(b) == BREAKER_STOP ? b->look_at : 0;
}
