// SPDX-License-Identifier: Apache-2.0
/* Appointments: they are kept in the order of time and not before it, arming anew moves them, and
 * after timer_disarm() a call neither runs nor comes, even one that arms itself. */

#include "unit_support.h"

#include "base/timer.h"

TestSuite(timer, .fini = support_fini, .timeout = 120);

struct appointment {
	struct timer timer;
	char name;
};

static struct tally fired = TALLY_INIT, began = TALLY_INIT, gate = TALLY_INIT;
static char order[64];
static uint64_t times[64];

static void note(struct timer *t)
{
	size_t n = strlen(order);

	times[n] = clock_mono();
	order[n] = container_of(t, struct appointment, timer)->name;
	tally_add(&fired);
}

static struct timers *new_timers(void)
{
	struct err err = {0};
	struct timers *ts = timers_new(&err);

	cr_assert_not_null(ts, "%s", err_text(&err));
	return ts;
}

Test(timer, fires_in_the_order_of_time)
{
	struct appointment a = {{note}, 'a'}, b = {{note}, 'b'}, c = {{note}, 'c'};
	struct timers *ts = new_timers();
	uint64_t now = clock_mono();

	timer_arm(ts, &c.timer, now + 30 * NS_PER_MS);
	timer_arm(ts, &a.timer, now + 10 * NS_PER_MS);
	timer_arm(ts, &b.timer, now + 20 * NS_PER_MS);
	cr_assert(tally_reaches(&fired, 3));
	timers_free(ts);
	cr_assert_str_eq(order, "abc");
	cr_assert_geq(times[0], now + 10 * NS_PER_MS, "too early");
	cr_assert_geq(times[1], now + 20 * NS_PER_MS, "too early");
	cr_assert_geq(times[2], now + 30 * NS_PER_MS, "too early");
}

Test(timer, what_is_due_together_fires_as_it_was_armed)
{
	struct appointment rows[] = {{{note}, 'a'}, {{note}, 'b'}, {{note}, 'c'}, {{note}, 'd'}};
	struct timers *ts = new_timers();
	uint64_t at = clock_mono() + 20 * NS_PER_MS;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		timer_arm(ts, &rows[i].timer, at);
	cr_assert(tally_reaches(&fired, 4));
	timers_free(ts);
	cr_assert_str_eq(order, "abcd");
}

Test(timer, the_past_is_due_at_once)
{
	struct appointment a = {{note}, 'a'};
	struct timers *ts = new_timers();

	timer_arm(ts, &a.timer, 1);
	cr_assert(tally_reaches(&fired, 1));
	timers_free(ts);
}

Test(timer, arming_anew_moves_it)
{
	struct appointment a = {{note}, 'a'}, b = {{note}, 'b'}, c = {{note}, 'c'};
	struct timers *ts = new_timers();
	uint64_t now = clock_mono();

	timer_arm(ts, &a.timer, now + 3600 * NS_PER_SEC);
	timer_arm(ts, &b.timer, now + 10 * NS_PER_MS);
	timer_arm(ts, &a.timer, now + 20 * NS_PER_MS);	  /* sooner */
	timer_arm(ts, &b.timer, now + 3600 * NS_PER_SEC); /* later */
	timer_arm(ts, &c.timer, now + 40 * NS_PER_MS);
	cr_assert(tally_reaches(&fired, 2));
	timers_free(ts);
	cr_assert_str_eq(order, "ac");
}

static void wait_for_gate(struct timer *t)
{
	tally_add(&began);
	tally_reaches(&gate, 1);
	note(t);
}

/* A caller that counts pending callbacks relies on this: one that has begun was not moved. */
Test(timer, arming_says_whether_there_was_an_appointment)
{
	struct appointment a = {{wait_for_gate}, 'a'};
	struct timers *ts = new_timers();

	cr_assert_not(timer_arm(ts, &a.timer, clock_mono() + 3600 * NS_PER_SEC));
	cr_assert(timer_arm(ts, &a.timer, clock_mono()));
	cr_assert(tally_reaches(&began, 1));
	cr_assert_not(timer_arm(ts, &a.timer, clock_mono()), "its call has begun");
	tally_add(&gate);
	cr_assert(tally_reaches(&fired, 2));
	cr_assert_not(timer_arm(ts, &a.timer, clock_mono() + 3600 * NS_PER_SEC));
	timers_free(ts);
}

static struct timers *own;
static int rounds;

static void again(struct timer *t)
{
	note(t);
	if (--rounds > 0)
		timer_arm(own, t, clock_mono() + NS_PER_MS);
}

Test(timer, a_call_may_arm_its_own_timer)
{
	struct appointment a = {{again}, 'a'};

	rounds = 5;
	own = new_timers();
	timer_arm(own, &a.timer, clock_mono());
	cr_assert(tally_reaches(&fired, 5));
	timers_free(own);
	cr_assert_str_eq(order, "aaaaa");
}

Test(timer, what_is_disarmed_does_not_fire)
{
	struct appointment a = {{note}, 'a'}, b = {{note}, 'b'}, never = {{note}, 'n'};
	struct timers *ts = new_timers();
	uint64_t now = clock_mono();

	timer_disarm(ts, &never.timer); /* one that was never armed is no harm */
	timer_arm(ts, &a.timer, now + 10 * NS_PER_MS);
	timer_arm(ts, &b.timer, now + 20 * NS_PER_MS);
	timer_disarm(ts, &a.timer);
	cr_assert(tally_reaches(&fired, 1));
	timers_free(ts);
	cr_assert_str_eq(order, "b");
}

static struct tally disarmed = TALLY_INIT, ended = TALLY_INIT;
static int calls, whole;  /* that had begun, and ended, when disarm() came back */
static uint64_t pause_again; /* after which slow() arms itself anew */

static void slow(struct timer *t)
{
	tally_add(&began);
	tally_reaches(&gate, 1);
	support_sleep(20 * NS_PER_MS);
	timer_arm(own, t, clock_mono() + pause_again);
	tally_add(&ended);
}

static void *disarm(void *arg)
{
	timer_disarm(own, arg);
	calls = tally_count(&began);
	whole = tally_count(&ended);
	tally_add(&disarmed);
	return NULL;
}

/* Disarms a timer while its call runs, which arms it anew at its end. On a machine that is busy the thread
 * may come to it late, when there have been more calls. */
static void disarm_amid_call(struct appointment *a)
{
	pthread_t thread;

	own = new_timers();
	timer_arm(own, &a->timer, clock_mono());
	cr_assert(tally_reaches(&began, 1));
	cr_assert_eq(pthread_create(&thread, NULL, disarm, &a->timer), 0);
	support_sleep(20 * NS_PER_MS);
	cr_assert_eq(tally_count(&disarmed), 0, "it did not wait for the call");
	tally_add(&gate);
	cr_assert(tally_reaches(&disarmed, 1), "it never came back");
	pthread_join(thread, NULL);
	cr_assert_eq(whole, calls, "it came back while a call ran");
	support_sleep(pause_again + 20 * NS_PER_MS);
	cr_assert_eq(tally_count(&began), calls, "it fired after it was disarmed");
	timers_free(own);
}

Test(timer, disarm_waits_for_the_call_and_it_does_not_come_back)
{
	struct appointment a = {{slow}, 'a'};

	pause_again = 10 * NS_PER_MS;
	disarm_amid_call(&a);
}

Test(timer, disarm_comes_back_though_the_call_arms_itself_at_once, .timeout = 40)
{
	struct appointment a = {{slow}, 'a'};

	pause_again = 0;
	disarm_amid_call(&a);
}

Test(timer, freed_timers_never_fire)
{
	struct appointment a = {{note}, 'a'};
	struct timers *ts = new_timers();

	timer_arm(ts, &a.timer, clock_mono() + 3600 * NS_PER_SEC);
	timers_free(ts);
	timers_free(NULL);
	cr_assert_eq(tally_count(&fired), 0);
}
