// SPDX-License-Identifier: Apache-2.0
/* Cancellation: it ends a sleep, for good; the wake function is called at once where it has fired
 * already, and not after it was taken back. */

#include "unit_support.h"

#include "base/cancel.h"

TestSuite(cancel, .fini = support_fini, .timeout = 120);

static struct tally woken = TALLY_INIT;

static void wake(void *arg)
{
	tally_add(arg);
}

static void *fire_soon(void *arg)
{
	support_sleep(20 * NS_PER_MS);
	cancel_fire(arg);
	return NULL;
}

Test(cancel, sleeps_as_long_as_it_is_told)
{
	struct cancel c;
	uint64_t until = clock_mono() + 20 * NS_PER_MS;

	cancel_init(&c);
	cr_assert_not(cancel_sleep(&c, until));
	cr_assert_geq(clock_mono(), until);
	cr_assert_not(cancel_fired(&c));
	cr_assert_not(cancel_sleep(&c, 0));
	cancel_fini(&c);
}

Test(cancel, nobody_to_cancel_it_is_an_ordinary_sleep)
{
	uint64_t until = clock_mono() + 20 * NS_PER_MS;

	cr_assert_not(cancel_sleep(NULL, until));
	cr_assert_geq(clock_mono(), until);
}

Test(cancel, firing_ends_a_sleep)
{
	pthread_t thread;
	struct cancel c;

	cancel_init(&c);
	cr_assert_eq(pthread_create(&thread, NULL, fire_soon, &c), 0);
	cr_assert(cancel_sleep(&c, clock_mono() + 3600 * NS_PER_SEC));
	pthread_join(thread, NULL);
	cr_assert(cancel_fired(&c));
	cancel_fini(&c);
}

Test(cancel, it_has_fired_for_good)
{
	struct cancel c;

	cancel_init(&c);
	cancel_fire(&c);
	cancel_fire(&c);
	cr_assert(cancel_fired(&c));
	cr_assert(cancel_sleep(&c, clock_mono() + 3600 * NS_PER_SEC));
	cr_assert(cancel_sleep(&c, 0));
	cancel_fini(&c);
}

Test(cancel, firing_calls_the_wake_function)
{
	struct cancel c;

	cancel_init(&c);
	cancel_on(&c, wake, &woken);
	cr_assert_eq(tally_count(&woken), 0);
	cancel_fire(&c);
	cr_assert_eq(tally_count(&woken), 1);
	cancel_fini(&c);
}

Test(cancel, the_wake_function_is_called_at_once_where_it_has_fired)
{
	struct cancel c;

	cancel_init(&c);
	cancel_fire(&c);
	cancel_on(&c, wake, &woken);
	cr_assert_eq(tally_count(&woken), 1);
	cancel_fini(&c);
}

Test(cancel, a_wake_function_that_was_taken_back_is_not_called)
{
	struct cancel c;

	cancel_init(&c);
	cancel_on(&c, wake, &woken);
	cancel_on(&c, NULL, NULL);
	cancel_fire(&c);
	cancel_on(&c, NULL, NULL);
	cr_assert_eq(tally_count(&woken), 0);
	cancel_fini(&c);
}

static bool left;

static void slow_wake(void *arg)
{
	tally_add(&woken);
	support_sleep(30 * NS_PER_MS);
	__atomic_store_n(&left, true, __ATOMIC_SEQ_CST);
}

Test(cancel, taking_back_waits_for_a_call_that_is_under_way)
{
	pthread_t thread;
	struct cancel c;

	cancel_init(&c);
	cancel_on(&c, slow_wake, NULL);
	cr_assert_eq(pthread_create(&thread, NULL, fire_soon, &c), 0);
	cr_assert(tally_reaches(&woken, 1));
	cancel_on(&c, NULL, NULL);
	cr_assert(__atomic_load_n(&left, __ATOMIC_SEQ_CST), "the call was still running");
	pthread_join(thread, NULL);
	cancel_fini(&c);
}
