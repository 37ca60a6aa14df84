// SPDX-License-Identifier: Apache-2.0
/* The circuit breaker: a single failure does not open it. Open, it lets nothing through until a
 * health check has succeeded, and then one request, for which the others wait; it closes at the
 * first success. The test sets the time. */

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

	cr_assert_eq(breaker_ask(&b), BREAKER_GO);
	cr_assert_eq(breaker_look(&b), 0);
	cr_assert_not(breaker_good(&b));
}

Test(breaker, a_few_failures_in_a_moment_do_not_open_it)
{
	struct breaker b = {0};

	for (unsigned i = 0; i < 7; i++)
		cr_assert_not(bad(&b, start + i));
	cr_assert_eq(breaker_ask(&b), BREAKER_GO);
}

Test(breaker, many_in_a_moment_open_it)
{
	struct breaker b = {0};

	for (unsigned i = 0; i < 7; i++)
		bad(&b, start + i);
	cr_assert(bad(&b, start + 7));
	cr_assert_eq(breaker_ask(&b), BREAKER_STOP);
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

Test(breaker, it_lets_nobody_through_until_somebody_has_looked)
{
	struct breaker b = opened();

	cr_assert_eq(breaker_ask(&b), BREAKER_STOP);
	cr_assert_geq(breaker_look(&b), start + 100 * NS_PER_MS);
	cr_assert_leq(breaker_look(&b), start + 150 * NS_PER_MS);
	breaker_hope(&b);
	cr_assert_eq(breaker_state(&b), BREAKER_PROBE);
	cr_assert_eq(breaker_ask(&b), BREAKER_PROBE);
	cr_assert_eq(breaker_ask(&b), BREAKER_WAIT, "a second one");
	cr_assert_eq(breaker_look(&b), 0, "a request finds out already");
}

Test(breaker, a_good_probe_closes_it)
{
	struct breaker b = opened();

	breaker_hope(&b);
	breaker_ask(&b);
	cr_assert(breaker_good(&b));
	cr_assert_eq(breaker_ask(&b), BREAKER_GO);
}

/* "at most every second, jittered" */
Test(breaker, it_is_looked_at_once_in_a_second_or_one_and_a_half)
{
	struct breaker b = opened();
	uint64_t now = breaker_look(&b);

	for (int i = 0; i < 20; i++) {
		breaker_worse(&b, now);
		cr_assert_geq(breaker_look(&b), now + NS_PER_SEC);
		cr_assert_leq(breaker_look(&b), now + 3 * NS_PER_SEC / 2);
		now = breaker_look(&b);
	}
}

Test(breaker, a_bad_probe_opens_it_again)
{
	struct breaker b = opened();

	breaker_hope(&b);
	breaker_ask(&b);
	cr_assert_not(breaker_bad(&b, start + NS_PER_SEC, true, false, 0), "it was open already");
	cr_assert_eq(breaker_ask(&b), BREAKER_STOP);
	cr_assert_geq(breaker_look(&b), start + 2 * NS_PER_SEC);
}

Test(breaker, what_was_under_way_when_it_opened_changes_nothing)
{
	struct breaker b = opened();
	uint64_t look = breaker_look(&b);

	for (int i = 0; i < 50; i++)
		bad(&b, start + 1);
	cr_assert_eq(breaker_look(&b), look);
	breaker_hope(&b);
	bad(&b, start + 2);
	cr_assert_eq(breaker_ask(&b), BREAKER_PROBE);
}

Test(breaker, the_pause_that_the_server_asks_for_is_kept)
{
	struct breaker b = {0};

	breaker_bad(&b, start, false, true, 7 * NS_PER_SEC);
	cr_assert_eq(breaker_look(&b), start + 7 * NS_PER_SEC);
}

Test(breaker, after_a_probe_that_came_to_nothing_the_next_may_go)
{
	struct breaker b = opened();

	breaker_hope(&b);
	breaker_ask(&b);
	breaker_spare(&b);
	cr_assert_eq(breaker_ask(&b), BREAKER_PROBE);
}

Test(breaker, hope_and_bad_looks_are_nothing_to_one_that_is_closed)
{
	struct breaker b = {0};

	breaker_hope(&b);
	breaker_worse(&b, start);
	cr_assert_eq(breaker_ask(&b), BREAKER_GO);
	cr_assert_eq(breaker_look(&b), 0);
}
