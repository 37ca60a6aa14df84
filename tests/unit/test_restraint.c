// SPDX-License-Identifier: Apache-2.0
/* The budget of failures: what fails is held to its rate, what is good is never held up, and what is
 * not known gets its turn. */

#include "unit_support.h"

#include "http/restraint.h"

#include <stdio.h>

TestSuite(restraint, .timeout = 120);

static struct restraint r;

static void begin(void)
{
	restraint_init(&r, 10);
}

/* Asks for a path; `code`: how it fails, 0 where it does not. */
static int ask_as(uid_t uid, const char *path, int code, uint64_t patience)
{
	struct restraint_pass pass = restraint_pass(path, false);
	int s = restraint_enter(&r, &pass,
				(struct limit){.deadline = clock_mono() + patience, .uid = uid});

	if (s == 0 && code)
		restraint_bad(&r, &pass, code, 0);
	else if (s == 0)
		restraint_good(&r, &pass);
	return s;
}

static int ask(const char *path, int code, uint64_t patience)
{
	return ask_as(0, path, code, patience);
}

/* As many of a folder as are let through in a second, of `uids` users in turn. */
static unsigned storm_of(uid_t uids, const char *folder, int code)
{
	uint64_t end = clock_mono() + NS_PER_SEC;
	unsigned passed = 0;
	char path[64];

	for (unsigned i = 0; clock_mono() < end; i++) {
		snprintf(path, sizeof(path), "%s/%u", folder, i);
		passed += ask_as(i % uids, path, code, 0) == 0;
	}
	return passed;
}

static unsigned storm(const char *folder, int code)
{
	return storm_of(1, folder, code);
}

/* As if so much had failed that nothing is left for minutes. */
static void exhaust(const char *path)
{
	struct restraint_pass pass = restraint_pass(path, false);

	for (int i = 0; i < 3000; i++)
		restraint_bad(&r, &pass, EACCES, 0);
}

Test(restraint, without_failures_nothing_is_held_up, .init = begin)
{
	char path[64];

	for (int i = 0; i < 100000; i++) {
		snprintf(path, sizeof(path), "secret/data/f%d/s%d", i % 7, i);
		cr_assert_eq(ask(path, 0, 0), 0);
	}
}

Test(restraint, failures_are_held_to_their_rate, .init = begin)
{
	uint64_t begun = clock_mono(), took;
	unsigned passed = 0;

	for (int i = 0; i < 3; i++)
		passed += storm("secret/data/bad", EACCES);
	took = clock_mono() - begun;
	cr_assert_leq(passed, 10 + 10 * took / NS_PER_SEC + 1);
	cr_assert_geq(passed, 10);
}

Test(restraint, what_was_good_goes_on_all_the_while, .init = begin)
{
	cr_assert_eq(ask("secret/data/good/a", 0, 0), 0);
	for (int i = 0; i < 3; i++) {
		storm("secret/data/bad", EACCES);
		cr_assert_eq(ask("secret/data/good/a", 0, 0), 0);
		cr_assert_eq(ask("secret/data/good/never-asked-for", 0, 0), 0);
	}
}

Test(restraint, what_is_good_among_the_bad_goes_on_too, .init = begin)
{
	cr_assert_eq(ask("secret/data/bad/good", 0, 0), 0);
	exhaust("secret/data/bad/x");
	for (int i = 0; i < 100; i++)
		cr_assert_eq(ask("secret/data/bad/good", 0, 0), 0);
	/* ... and vouches for nobody else. */
	cr_assert_eq(ask("secret/data/bad/unknown", EACCES, 0), -EAGAIN);
}

/* A policy is taken away: what turns bad is held to the rate too, in however many folders it is. */
Test(restraint, good_ones_that_turn_bad_are_held_to_the_rate, .init = begin)
{
	uint64_t begun, took;
	unsigned passed = 0;
	char path[64];

	for (int i = 0; i < 400; i++) {
		snprintf(path, sizeof(path), "secret/data/f%d/s%d", i % 40, i);
		cr_assert_eq(ask(path, 0, 0), 0);
	}
	begun = clock_mono();
	for (int i = 0; i < 400; i++) {
		snprintf(path, sizeof(path), "secret/data/f%d/s%d", i % 40, i);
		passed += ask(path, EACCES, 0) == 0;
	}
	took = clock_mono() - begun;
	cr_assert_leq(passed, 10 + 10 * took / NS_PER_SEC + 2, "%u have passed", passed);
	cr_assert_geq(passed, 10);
}

Test(restraint, what_was_good_since_then_goes_on, .init = begin)
{
	char path[64];

	for (int i = 0; i < 50; i++) {
		snprintf(path, sizeof(path), "secret/data/bad/s%d", i);
		cr_assert_eq(ask(path, 0, 0), 0);
	}
	cr_assert_eq(ask("secret/data/good/a", 0, 0), 0);
	for (int i = 0; i < 50; i++) {
		snprintf(path, sizeof(path), "secret/data/bad/s%d", i);
		ask(path, EACCES, 0);
	}
	cr_assert_eq(ask("secret/data/good/a", 0, 0), -EAGAIN, "it is known no more");
	cr_assert_eq(ask("secret/data/good/a", 0, 5 * NS_PER_SEC), 0);
	for (int i = 0; i < 100; i++)
		cr_assert_eq(ask("secret/data/good/a", 0, 0), 0);
}

Test(restraint, a_new_folder_gets_in_through_a_storm, .init = begin)
{
	storm("secret/data/bad", EACCES);
	cr_assert_eq(ask("secret/data/new/a", 0, 5 * NS_PER_SEC), 0);
}

Test(restraint, what_failed_itself_gets_the_same_answer, .init = begin)
{
	cr_assert_eq(ask("secret/data/bad/x", EIO, 0), 0);
	exhaust("secret/data/bad/y");
	cr_assert_eq(ask("secret/data/bad/x", EIO, 0), -EIO);
}

Test(restraint, what_is_not_known_is_never_called_refused, .init = begin)
{
	exhaust("secret/data/bad/x");
	cr_assert_eq(ask("secret/data/bad/new", EACCES, 0), -EAGAIN);
}

Test(restraint, who_has_time_waits_for_his_turn, .init = begin)
{
	char path[64];

	storm("secret/data/bad", EACCES);
	for (int i = 0; i < 10; i++) {
		snprintf(path, sizeof(path), "secret/data/bad/patient%d", i);
		cr_assert_eq(ask(path, EACCES, 10 * NS_PER_SEC), 0);
	}
}

Test(restraint, reads_and_changes_are_two_things, .init = begin)
{
	struct restraint_pass change = restraint_pass("secret/data/a/x", true);

	cr_assert_eq(ask("secret/data/a/x", 0, 0), 0);
	restraint_bad(&r, &change, EACCES, 0);
	exhaust("secret/data/bad/x");
	cr_assert_eq(ask("secret/data/a/x", 0, 0), 0);
}

Test(restraint, an_engine_is_left_alone_for_as_long_as_it_asks, .init = begin)
{
	struct restraint_pass pass = restraint_pass("secret/data/a/x", false);

	cr_assert_eq(ask("secret/data/a/x", 0, 0), 0);
	restraint_bad(&r, &pass, EAGAIN, 3600 * NS_PER_SEC);
	cr_assert_eq(ask("secret/data/a/x", 0, NS_PER_SEC), -EAGAIN);
	cr_assert_eq(ask("secret/metadata/b", 0, NS_PER_SEC), -EAGAIN);
	cr_assert_eq(ask("other/data/a/x", 0, 0), 0);
}

Test(restraint, what_comes_to_nothing_costs_nothing, .init = begin)
{
	for (int i = 0; i < 1000; i++) {
		struct restraint_pass pass = restraint_pass("secret/data/a/x", false);

		cr_assert_eq(restraint_enter(&r, &pass, support_limit()), 0);
		restraint_spare(&r, &pass);
	}
	cr_assert_eq(r.flying, 0);
	cr_assert_eq(ask("secret/data/a/x", 0, 0), 0);
}

static void *fire_soon(void *arg)
{
	support_sleep(50 * NS_PER_MS);
	cancel_fire(arg);
	return NULL;
}

Test(restraint, a_wait_can_be_cancelled, .init = begin)
{
	struct restraint_pass pass = restraint_pass("secret/data/a/x", false);
	struct limit limit = support_limit();
	struct cancel c;
	pthread_t thread;

	cancel_init(&c);
	limit.cancel = &c;
	restraint_bad(&r, &pass, EAGAIN, 30 * NS_PER_SEC);
	cr_assert_eq(pthread_create(&thread, NULL, fire_soon, &c), 0);
	cr_assert_eq(restraint_enter(&r, &pass, limit), -EINTR);
	pthread_join(thread, NULL);
	cr_assert_eq(r.waiting, 0);
	cancel_fini(&c);
}

/* However one user fails, what another asks for goes through at once, known or not. */
Test(restraint, one_uid_does_not_keep_out_another, .init = begin)
{
	char path[64];

	exhaust("secret/data/bad/x");
	for (unsigned i = 0; i < 200; i++) {
		storm_of(1, "secret/data/bad", EACCES);
		snprintf(path, sizeof(path), "secret/data/bad/of-another-%u", i);
		cr_assert_eq(ask_as(7, path, 0, 0), 0);
		if (i == 1)
			break;
	}
	for (unsigned i = 0; i < 200; i++) {
		snprintf(path, sizeof(path), "secret/data/new%u/x", i);
		cr_assert_eq(ask_as(7, path, 0, 0), 0);
	}
}

Test(restraint, a_uid_that_fails_too_has_a_share_while_another_storms, .init = begin)
{
	uint64_t end = clock_mono() + 3 * NS_PER_SEC;
	unsigned others = 0;
	char path[64];

	for (unsigned i = 0; clock_mono() < end; i++) {
		snprintf(path, sizeof(path), "secret/data/bad/%u", i);
		ask_as(1, path, EACCES, 0);
		others += ask_as(2, path, EACCES, 0) == 0;
	}
	cr_assert_geq(others, 8, "only %u in three seconds", others);
}

/* ... and the server has no more to refuse than its rate, but for what each may owe. */
Test(restraint, many_uids_share_one_rate, .init = begin)
{
	uint64_t begun = clock_mono(), took;
	unsigned passed = 0;

	for (int i = 0; i < 3; i++)
		passed += storm_of(20, "secret/data/bad", EACCES);
	took = clock_mono() - begun;
	cr_assert_leq(passed, 10 + 20 * 3 + 12 * took / NS_PER_SEC, "%u have passed", passed);
}
