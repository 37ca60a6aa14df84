// SPDX-License-Identifier: Apache-2.0
/* The circuit breaker: a failure alone does not open it; open, it lets one through at a time, less and
 * less often, and closes at the first success. Time is what the test says it is. */

#include "unit_support.h"

#include "http/breaker.h"

TestSuite(breaker, .timeout = 60);

static const uint64_t start = 1000 * NS_PER_SEC;

static bool bad(struct breaker *b, uint64_t at)
{
	return breaker_bad(b, at, false, false, 0);
}

/* Open since `start`. */
static struct breaker opened(void)
{
	struct breaker b = {0};

	cr_assert(breaker_bad(&b, start, false, true, 0));
	return b;
}

Test(breaker, it_is_closed_to_begin_with)
{
	struct breaker b = {0};

	cr_assert_eq(breaker_ask(&b, start), BREAKER_GO);
	cr_assert_not(breaker_good(&b));
}

Test(breaker, a_few_failures_in_a_moment_do_not_open_it)
{
	struct breaker b = {0};

	for (unsigned i = 0; i < 7; i++)
		cr_assert_not(bad(&b, start + i));
	cr_assert_eq(breaker_ask(&b, start + 7), BREAKER_GO);
}

Test(breaker, many_in_a_moment_open_it)
{
	struct breaker b = {0};

	for (unsigned i = 0; i < 7; i++)
		bad(&b, start + i);
	cr_assert(bad(&b, start + 7));
	cr_assert_eq(breaker_ask(&b, start + 8), BREAKER_STOP);
}

Test(breaker, three_that_go_on_for_a_second_open_it)
{
	struct breaker b = {0};

	cr_assert_not(bad(&b, start));
	cr_assert_not(bad(&b, start + 2 * NS_PER_SEC));
	cr_assert(bad(&b, start + 2 * NS_PER_SEC));
}

Test(breaker, a_success_in_between_begins_the_count_anew)
{
	struct breaker b = {0};

	for (unsigned i = 0; i < 100; i++) {
		cr_assert_not(bad(&b, start + i * NS_PER_SEC));
		cr_assert_not(bad(&b, start + i * NS_PER_SEC));
		breaker_good(&b);
	}
}

Test(breaker, it_lets_one_through_when_the_time_has_come)
{
	struct breaker b = opened();

	cr_assert_eq(breaker_ask(&b, start + 99 * NS_PER_MS), BREAKER_STOP);
	cr_assert_eq(breaker_ask(&b, start + 151 * NS_PER_MS), BREAKER_PROBE);
	cr_assert_eq(breaker_ask(&b, start + 3600 * NS_PER_SEC), BREAKER_STOP, "a second one");
}

Test(breaker, a_good_probe_closes_it)
{
	struct breaker b = opened();

	breaker_ask(&b, start + NS_PER_SEC);
	cr_assert(breaker_good(&b));
	cr_assert_eq(breaker_ask(&b, start + NS_PER_SEC), BREAKER_GO);
}

Test(breaker, bad_probes_come_less_often_down_to_one_in_two_or_three_seconds)
{
	struct breaker b = opened();
	uint64_t now = start, last = 0;

	for (int i = 0; i < 10; i++) {
		uint64_t pause = b.retry - now;

		cr_assert_geq(pause * 3, last * 2, "it came more often");
		cr_assert_leq(pause, 3 * NS_PER_SEC);
		last = pause;
		now = b.retry;
		cr_assert_eq(breaker_ask(&b, now), BREAKER_PROBE);
		cr_assert_not(breaker_bad(&b, now, true, false, 0), "it was open already");
	}
	cr_assert_geq(last, 2 * NS_PER_SEC);
}

Test(breaker, what_was_under_way_when_it_opened_changes_nothing)
{
	struct breaker b = opened();
	uint64_t retry = b.retry;

	for (int i = 0; i < 50; i++)
		bad(&b, start + 1);
	cr_assert_eq(b.retry, retry);
}

Test(breaker, the_pause_that_the_server_asks_for_is_kept)
{
	struct breaker b = {0};

	breaker_bad(&b, start, false, true, 7 * NS_PER_SEC);
	cr_assert_eq(breaker_ask(&b, start + 6 * NS_PER_SEC), BREAKER_STOP);
	cr_assert_eq(breaker_ask(&b, start + 7 * NS_PER_SEC), BREAKER_PROBE);
}

Test(breaker, after_a_probe_that_came_to_nothing_the_next_may_go)
{
	struct breaker b = opened();

	breaker_ask(&b, start + NS_PER_SEC);
	breaker_spare(&b);
	cr_assert_eq(breaker_ask(&b, start + NS_PER_SEC), BREAKER_PROBE);
}

Test(breaker, with_hope_a_probe_is_due_at_once)
{
	struct breaker b = opened();

	breaker_hope(&b, start + 1);
	cr_assert_eq(breaker_ask(&b, start + 1), BREAKER_PROBE);
	breaker_good(&b);
	breaker_hope(&b, start + 2);
	cr_assert_eq(breaker_ask(&b, start + 2), BREAKER_GO);
}
