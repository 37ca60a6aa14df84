// SPDX-License-Identifier: Apache-2.0
/* The pace of logins: failures are followed by pauses that double; so are logins whose tokens are dead at
 * once, but for a few; a token that has lived shows that all is well. Time is what the test says it is. */

#include "unit_support.h"

#include "auth/pace.h"

TestSuite(pace, .timeout = 60);

#define MOST (300 * NS_PER_SEC)

static const uint64_t start = 1000 * NS_PER_SEC;

Test(pace, pauses_after_failures_double_up_to_the_most)
{
	struct pace p = {0};
	uint64_t last = 0;

	for (int i = 0; i < 12; i++) {
		pace_failed(&p, start, MOST);
		cr_assert_geq(p.pause, last);
		cr_assert_leq(p.after, start + MOST);
		last = p.pause;
	}
	cr_assert_eq(last, MOST);
	pace_failed(&p, start, 4 * NS_PER_SEC);
	cr_assert_leq(p.after, start + 4 * NS_PER_SEC);
	pace_had(&p, start, false);
	cr_assert_eq(p.after, 0);
	pace_failed(&p, start, MOST);
	cr_assert_leq(p.after, start + NS_PER_SEC, "the pauses begin anew");
}

/* How many logins there are in ten minutes of tokens that are dead at once. */
static unsigned logins(bool few_uses, uint64_t life)
{
	struct pace p = {0};
	unsigned n = 0;

	for (uint64_t now = start; now < start + 600 * NS_PER_SEC; n++) {
		pace_had(&p, now, few_uses);
		now += life;
		if (!pace_died(&p, now, MOST))
			now = p.after > now ? p.after : now;
	}
	return n;
}

Test(pace, tokens_that_are_dead_at_once_are_had_less_and_less_often)
{
	cr_assert_leq(logins(false, NS_PER_SEC / 10), 15);
	cr_assert_geq(logins(false, NS_PER_SEC / 10), 5);
}

Test(pace, tokens_that_live_or_end_by_being_used_are_had_as_often_as_need_be)
{
	cr_assert_eq(logins(false, 12 * NS_PER_SEC), 50);
	cr_assert_eq(logins(true, NS_PER_SEC / 10), 6000);
}
