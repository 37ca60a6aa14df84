// SPDX-License-Identifier: Apache-2.0
/* The pool of threads: every job runs, in the order of submission but for urgent ones; no more at
 * once than there are threads, and as many as that; what is queued when the pool is freed still
 * runs, and what those jobs submit. */

#include "base/lock.h"
#include "unit_support.h"

#include "base/pool.h"

TestSuite(pool, .fini = support_fini, .timeout = 120);

struct task {
	struct job job;
	struct pool *pool;
	int depth;
	char name;
};

static struct tally done = TALLY_INIT, gate = TALLY_INIT, inside = TALLY_INIT;
static struct lock order_lock = LOCK_INITIALIZER(LOCK_TEST);
static char order[64];

static void count(struct job *job)
{
	free(container_of(job, struct task, job));
	tally_add(&done);
}

static void note(struct job *job)
{
	LOCK_SCOPE(&order_lock);

	order[strlen(order)] = container_of(job, struct task, job)->name;
}

static void hold(struct job *job)
{
	tally_add(&inside);
	tally_reaches(&gate, 1);
}

static struct pool *new_pool(size_t threads)
{
	struct err err = {0};
	struct pool *p = pool_new(threads, &err);

	cr_assert_not_null(p, "%s", err_text(&err));
	return p;
}

static struct task *new_task(struct pool *p, int depth)
{
	struct task *t = calloc(1, sizeof(*t));

	if (!t)
		abort();
	*t = (struct task){.job.run = count, .pool = p, .depth = depth};
	return t;
}

Test(pool, every_job_runs)
{
	struct pool *p = new_pool(4);

	for (int i = 0; i < 2000; i++)
		pool_submit(p, &new_task(p, 0)->job);
	cr_assert(tally_reaches(&done, 2000));
	pool_free(p);
	cr_assert_eq(tally_count(&done), 2000);
}

Test(pool, jobs_run_in_the_order_of_submission_and_urgent_ones_first)
{
	struct task holder = {.job.run = hold}, rows[6];
	struct pool *p = new_pool(1);

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		rows[i] = (struct task){.job.run = note, .name = (char)('a' + i)};
	pool_submit(p, &holder.job);
	cr_assert(tally_reaches(&inside, 1));
	for (size_t i = 0; i < 4; i++)
		pool_submit(p, &rows[i].job);
	pool_submit_urgent(p, &rows[4].job);
	pool_submit_urgent(p, &rows[5].job);
	tally_add(&gate);
	pool_free(p);
	cr_assert_str_eq(order, "efabcd");
}

Test(pool, as_many_run_at_once_as_there_are_threads)
{
	struct task rows[4], more = {.job.run = hold};
	struct pool *p = new_pool(4);

	for (size_t i = 0; i < 4; i++) {
		rows[i] = (struct task){.job.run = hold};
		pool_submit(p, &rows[i].job);
	}
	cr_assert(tally_reaches(&inside, 4), "a job waits though a thread could take it");
	pool_submit(p, &more.job);
	support_sleep(20 * NS_PER_MS);
	cr_assert_eq(tally_count(&inside), 4, "there are more threads than were allowed");
	tally_add(&gate);
	pool_free(p);
	cr_assert_eq(tally_count(&inside), 5);
}

/* An idle thread takes one job; the next must not wait for it. */
Test(pool, an_idle_thread_does_not_hold_back_new_ones)
{
	struct task rows[3];
	struct pool *p = new_pool(3);

	pool_submit(p, &new_task(p, 0)->job);
	cr_assert(tally_reaches(&done, 1));
	support_sleep(5 * NS_PER_MS);
	for (size_t i = 0; i < 3; i++) {
		rows[i] = (struct task){.job.run = hold};
		pool_submit(p, &rows[i].job);
	}
	cr_assert(tally_reaches(&inside, 3));
	tally_add(&gate);
	pool_free(p);
}

static void split(struct job *job)
{
	struct task *t = container_of(job, struct task, job);

	for (int i = 0; i < 2 && t->depth > 0; i++) {
		struct task *half = new_task(t->pool, t->depth - 1);

		half->job.run = split;
		if (i)
			pool_submit(t->pool, &half->job);
		else
			pool_submit_urgent(t->pool, &half->job);
	}
	count(job);
}

Test(pool, jobs_may_submit_jobs)
{
	struct pool *p = new_pool(4);
	struct task *first = new_task(p, 9);

	first->job.run = split;
	pool_submit(p, &first->job);
	cr_assert(tally_reaches(&done, 1023));
	pool_free(p);
	cr_assert_eq(tally_count(&done), 1023);
}

Test(pool, free_runs_what_is_queued_and_what_comes_of_it)
{
	for (size_t threads = 1; threads <= 4; threads++) {
		struct pool *p = new_pool(threads);
		int before = tally_count(&done);

		for (int i = 0; i < 100; i++) {
			struct task *t = new_task(p, 2);

			t->job.run = split;
			pool_submit(p, &t->job);
		}
		pool_free(p);
		cr_assert_eq(tally_count(&done) - before, 700);
	}
}

Test(pool, free_waits_for_threads_that_start_meanwhile)
{
	for (int i = 0; i < 20; i++) {
		struct pool *p = new_pool(16);
		struct task *first = new_task(p, 7);
		int before = tally_count(&done);

		first->job.run = split;
		pool_submit(p, &first->job);
		pool_free(p);
		cr_assert_eq(tally_count(&done) - before, 255);
	}
}

Test(pool, nothing_to_do_is_no_reason_to_stay)
{
	pool_free(new_pool(16));
	pool_free(NULL);
}

/* One user's slow jobs take all threads but those reserved for users without a running job. */
Test(pool, jobs_of_one_uid_do_not_keep_out_those_of_another)
{
	struct task rows[40], other = {.job = {.run = hold, .uid = 7}};
	struct pool *p = new_pool(4);

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		rows[i] = (struct task){.job = {.run = hold, .uid = 5}};
		pool_submit(p, &rows[i].job);
	}
	cr_assert(tally_reaches(&inside, 4));
	support_sleep(20 * NS_PER_MS);
	cr_assert_eq(tally_count(&inside), 4, "one user has threads that are kept for others");
	pool_submit(p, &other.job);
	cr_assert(tally_reaches(&inside, 5), "it waits behind another user's jobs");
	tally_add(&gate);
	pool_free(p);
	cr_assert_eq(tally_count(&inside), 41);
}
