// SPDX-License-Identifier: Apache-2.0
/* The request budget: never more than the rate and a tenth of a second's worth on top, however many
 * threads ask. A request that would come too late fails at once and takes no place; a cancelled
 * wait ends. */

#include "unit_support.h"

#include "http/budget.h"

#include <stdatomic.h>

TestSuite(budget, .fini = support_fini, .timeout = 120);

/* The least time that `n` requests at `rate` must take: all but the first, and but a tenth of a second's
 * worth that may go at once. */
static uint64_t least(unsigned n, unsigned rate)
{
	return (n - 1) * (NS_PER_SEC / rate) - NS_PER_SEC / 10;
}

Test(budget, a_tenth_of_a_second_is_free_and_then_the_rate_holds)
{
	struct budget b;
	uint64_t begun = clock_mono();

	budget_init(&b, 100);
	for (int i = 0; i < 30; i++)
		cr_assert_eq(budget_take(&b, support_limit()), 0);
	cr_assert_geq(clock_mono() - begun, least(30, 100));
	budget_fini(&b);
}

Test(budget, what_was_not_used_is_not_saved_for_longer)
{
	struct budget b;
	uint64_t begun;

	budget_init(&b, 100);
	cr_assert_eq(budget_take(&b, support_limit()), 0);
	support_sleep(300 * NS_PER_MS);
	begun = clock_mono();
	for (int i = 0; i < 20; i++)
		cr_assert_eq(budget_take(&b, support_limit()), 0);
	cr_assert_geq(clock_mono() - begun, least(20, 100));
	budget_fini(&b);
}

Test(budget, no_rate_is_no_bound)
{
	struct budget b;

	budget_init(&b, 0);
	for (int i = 0; i < 100000; i++)
		cr_assert_eq(budget_take(&b, support_limit()), 0);
	budget_fini(&b);
}

static struct budget shared;

static void *take_ten(void *arg)
{
	for (int i = 0; i < 10; i++)
		if (budget_take(&shared, support_limit()) != 0)
			return NULL;
	return arg;
}

Test(budget, threads_share_the_rate)
{
	pthread_t threads[4];
	uint64_t begun = clock_mono();

	budget_init(&shared, 200);
	for (size_t i = 0; i < 4; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, take_ten, &shared), 0);
	for (size_t i = 0; i < 4; i++) {
		void *good;

		pthread_join(threads[i], &good);
		cr_assert_not_null(good);
	}
	cr_assert_geq(clock_mono() - begun, least(40, 200));
	budget_fini(&shared);
}

Test(budget, who_would_come_too_late_is_told_at_once)
{
	struct budget b;
	struct limit limit = {.deadline = clock_mono() + 30 * NS_PER_SEC};

	budget_init(&b, 1);
	b.next = clock_mono() + 3600 * NS_PER_SEC;
	cr_assert_eq(budget_take(&b, limit), -ETIMEDOUT);
	budget_fini(&b);
}

Test(budget, who_is_refused_books_nothing)
{
	struct budget b;
	struct limit limit = {.deadline = clock_mono() + 10 * NS_PER_MS};
	uint64_t next;

	budget_init(&b, 2);
	cr_assert_eq(budget_take(&b, support_limit()), 0);
	next = b.next;
	for (int i = 0; i < 10; i++)
		cr_assert_eq(budget_take(&b, limit), -ETIMEDOUT);
	cr_assert_eq(b.next, next);
	budget_fini(&b);
}

static void *fire_soon(void *arg)
{
	support_sleep(20 * NS_PER_MS);
	cancel_fire(arg);
	return NULL;
}

Test(budget, a_cancelled_wait_ends)
{
	struct limit limit = support_limit();
	struct cancel c;
	struct budget b;
	pthread_t thread;

	cancel_init(&c);
	limit.cancel = &c;
	budget_init(&b, 1);
	b.next = clock_mono() + 50 * NS_PER_SEC;
	cr_assert_eq(pthread_create(&thread, NULL, fire_soon, &c), 0);
	cr_assert_eq(budget_take(&b, limit), -EINTR);
	pthread_join(thread, NULL);
	budget_fini(&b);
	cancel_fini(&c);
}

static atomic_bool stop;
static atomic_uint taken;

static void *take_on(void *arg)
{
	struct limit limit = support_limit();

	limit.uid = 7;
	while (!atomic_load(&stop)) {
		limit.deadline = clock_mono() + 60 * NS_PER_SEC;
		if (budget_take(&shared, limit) != 0)
			return NULL;
		atomic_fetch_add(&taken, 1);
	}
	return arg;
}

/* One user has sixteen requests waiting all the time; another asks for one after the other. */
Test(budget, users_take_turns)
{
	pthread_t threads[16];
	struct limit limit = support_limit();
	unsigned before;

	limit.deadline = clock_mono() + 100 * NS_PER_SEC;
	limit.uid = 8;
	atomic_store(&stop, false);
	atomic_store(&taken, 0);
	budget_init(&shared, 20);
	for (size_t i = 0; i < 16; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, take_on, &shared), 0);
	while (atomic_load(&taken) < 4)
		support_sleep(NS_PER_MS);
	before = atomic_load(&taken);
	for (int i = 0; i < 10; i++)
		cr_assert_eq(budget_take(&shared, limit), 0);
	/* In the order of their coming it would be 160; ten, and some more where this thread was late. */
	cr_assert_leq(atomic_load(&taken) - before, 80, "%u", atomic_load(&taken) - before);
	atomic_store(&stop, true);
	for (size_t i = 0; i < 16; i++) {
		void *good;

		pthread_join(threads[i], &good);
		cr_assert_not_null(good);
	}
	cr_assert_null(shared.waiting);
	budget_fini(&shared);
}
