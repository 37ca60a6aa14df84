// SPDX-License-Identifier: Apache-2.0
/* The budget of failures: what fails is held to its rate, what is good is never held up, and what is
 * not known gets its turn. */

#include "unit_support.h"

#include "http/restraint.h"

#include <stdatomic.h>
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
	struct restraint_pass pass = restraint_pass(path, RESTRAINT_READ);
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

/* Lets through as many requests for a folder as a second allows, from `uids` users in turn. */
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

/* Exhausts the budget for minutes. */
static void exhaust(const char *path)
{
	struct restraint_pass pass = restraint_pass(path, RESTRAINT_READ);

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

/* However many paths fail, the memory of them takes no place of those that were good. */
Test(restraint, what_was_good_is_known_after_thousands_of_failures, .init = begin)
{
	char path[64];

	for (int i = 0; i < 100; i++) {
		snprintf(path, sizeof(path), "secret/data/bad/good%d", i);
		cr_assert_eq(ask(path, 0, 0), 0);
	}
	for (int i = 0; i < 20000; i++) {
		struct restraint_pass pass;

		snprintf(path, sizeof(path), "secret/data/bad/%d", i);
		pass = restraint_pass(path, RESTRAINT_READ);
		restraint_bad(&r, &pass, EACCES, 0);
	}
	for (int i = 0; i < 100; i++) {
		snprintf(path, sizeof(path), "secret/data/bad/good%d", i);
		cr_assert_eq(ask(path, 0, 0), 0, "%s", path);
	}
}

Test(restraint, the_first_success_in_a_new_folder_vouches_for_it_in_a_storm, .init = begin)
{
	storm("secret/data/bad", EACCES);
	cr_assert_eq(ask("secret/data/new/a", 0, 5 * NS_PER_SEC), 0);
	storm("secret/data/bad", EACCES);
	cr_assert_eq(ask("secret/data/new/b", 0, 0), 0);
}

static atomic_bool stop;

/* Asks for what is refused, and waits for its turn each time. */
static void *ask_patiently(void *arg)
{
	char path[64];

	for (unsigned i = 0; !atomic_load(&stop); i++) {
		snprintf(path, sizeof(path), "secret/data/bad/%u-%u", *(unsigned *)arg, i);
		ask(path, EACCES, 10 * NS_PER_SEC);
	}
	return NULL;
}

static unsigned waiting(enum restraint_class class)
{
	LOCK_SCOPE(&r.lock);
	unsigned count = 0;

	for (size_t i = 0; i <= RESTRAINT_PURSES; i++)
		count += r.purses[i].waiting[class];
	return count;
}

Test(restraint, suspect_ones_that_wait_keep_out_nobody_else, .init = begin)
{
	unsigned numbers[8];
	pthread_t threads[8];
	char path[64];

	atomic_store(&stop, false);
	storm("secret/data/bad", EACCES);
	for (unsigned i = 0; i < 8; i++) {
		numbers[i] = i;
		cr_assert_eq(pthread_create(&threads[i], NULL, ask_patiently, &numbers[i]), 0);
	}
	for (unsigned i = 0; i < 8; i++) {
		while (waiting(RESTRAINT_SUSPECT) < 4)
			support_sleep(NS_PER_MS);
		snprintf(path, sizeof(path), "secret/data/new%u/x", i);
		cr_assert_eq(ask(path, 0, 60 * NS_PER_SEC), 0, "%s", path);
	}
	atomic_store(&stop, true);
	for (unsigned i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	cr_assert_eq(waiting(RESTRAINT_UNKNOWN) + waiting(RESTRAINT_SUSPECT), 0);
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
	struct restraint_pass change = restraint_pass("secret/data/a/x", RESTRAINT_CHANGE);

	cr_assert_eq(ask("secret/data/a/x", 0, 0), 0);
	restraint_bad(&r, &change, EACCES, 0);
	exhaust("secret/data/bad/x");
	cr_assert_eq(ask("secret/data/a/x", 0, 0), 0);
}

/* A token may list a folder and read nothing that is in it. */
Test(restraint, a_folder_is_listed_whatever_is_refused_in_it, .init = begin)
{
	struct restraint_pass list = restraint_pass("secret/metadata/a/", RESTRAINT_LIST);
	struct restraint_pass below = restraint_pass("secret/metadata/a/b/", RESTRAINT_LIST);
	struct limit now = {.deadline = clock_mono()};

	for (int i = 0; i < 40; i++) {
		char path[64];

		snprintf(path, sizeof(path), "secret/metadata/a/%d", i);
		restraint_good(&r, &list);
		restraint_good(&r, &below);
		ask(path, EACCES, 0);
	}
	cr_assert_eq(ask("secret/metadata/a/0", EACCES, 0), -EACCES);
	cr_assert_eq(restraint_enter(&r, &list, now), 0);
	cr_assert_eq(restraint_enter(&r, &below, now), 0);
}

/* Failed reads in a folder do not answer a request that lists it. */
Test(restraint, a_list_that_was_never_asked_for_is_not_called_refused, .init = begin)
{
	struct restraint_pass list = restraint_pass("secret/metadata/bad/", RESTRAINT_LIST);

	exhaust("secret/metadata/bad/x");
	cr_assert_eq(restraint_enter(&r, &list, (struct limit){.deadline = clock_mono()}), -EAGAIN);
}

Test(restraint, an_engine_is_left_alone_for_as_long_as_it_asks, .init = begin)
{
	struct restraint_pass pass = restraint_pass("secret/data/a/x", RESTRAINT_READ);

	cr_assert_eq(ask("secret/data/a/x", 0, 0), 0);
	restraint_bad(&r, &pass, EAGAIN, 3600 * NS_PER_SEC);
	cr_assert_eq(ask("secret/data/a/x", 0, NS_PER_SEC), -EAGAIN);
	cr_assert_eq(ask("secret/metadata/b", 0, NS_PER_SEC), -EAGAIN);
	cr_assert_eq(ask("other/data/a/x", 0, 0), 0);
}

Test(restraint, what_comes_to_nothing_costs_nothing, .init = begin)
{
	for (int i = 0; i < 1000; i++) {
		struct restraint_pass pass = restraint_pass("secret/data/a/x", RESTRAINT_READ);

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
	struct restraint_pass pass = restraint_pass("secret/data/a/x", RESTRAINT_READ);
	struct limit limit = support_limit();
	struct cancel c;
	pthread_t thread;

	cancel_init(&c);
	limit.cancel = &c;
	restraint_bad(&r, &pass, EAGAIN, 30 * NS_PER_SEC);
	cr_assert_eq(pthread_create(&thread, NULL, fire_soon, &c), 0);
	cr_assert_eq(restraint_enter(&r, &pass, limit), -EINTR);
	pthread_join(thread, NULL);
	for (size_t i = 0; i <= RESTRAINT_PURSES; i++)
		cr_assert_eq(r.purses[i].waiting[RESTRAINT_UNKNOWN] +
				     r.purses[i].waiting[RESTRAINT_SUSPECT],
			     0);
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
