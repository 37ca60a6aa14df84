// SPDX-License-Identifier: Apache-2.0
/* The pace of logins, as a state machine without a clock of its own.
 *
 * A successful login does not mean that the token serves. A token bound to other addresses
 * (token_bound_cidrs) is refused at once, and so would be the next. A few in a row may be chance,
 * or somebody revokes them; more are paced like failed logins. */

#include "auth/pace.h"

#include "base/clock.h"

#define PAUSE_MIN NS_PER_SEC
#define PROVED	  (10 * NS_PER_SEC) /* a token that lived so long was not stillborn */

static void back_off(struct pace *p, uint64_t now, uint64_t most)
{
	p->pause = p->pause ? p->pause * 2 : PAUSE_MIN;
	if (p->pause > most)
		p->pause = most;
	p->after = now + clock_jitter(p->pause) * 2 / 3;
}

/* A token that has lived for a while shows that all is well: forgets earlier failures. */
static void forget(struct pace *p, uint64_t now)
{
	if (!p->had_at || now - p->had_at < PROVED)
		return;
	*p = (struct pace){0};
}

void pace_failed(struct pace *p, uint64_t now, uint64_t most)
{
	forget(p, now);
	back_off(p, now, most);
}

void pace_had(struct pace *p, uint64_t now, bool few_uses)
{
	forget(p, now);
	p->after = 0;
	p->had_at = now;
	if (few_uses || p->stillborn < PACE_STILLBORN_MAX)
		p->pause = 0;
	if (few_uses)
		*p = (struct pace){0};
}

bool pace_died(struct pace *p, uint64_t now, uint64_t most)
{
	forget(p, now);
	if (!p->had_at)
		return true;
	p->had_at = 0;
	if (++p->stillborn < PACE_STILLBORN_MAX)
		return true;
	back_off(p, now, most);
	return false;
}
