// SPDX-License-Identifier: Apache-2.0
/* A shared bound on bytes: never exceeded, however many users ask at once; and drafts under it,
 * where a write that is too much is refused and does not fail the draft. */

#include "unit_support.h"

#include "node/quota.h"
#include "edit/draft.h"

TestSuite(quota, .fini = support_fini, .timeout = 120);

#define QUOTA(n)                                                                                   \
	{                                                                                          \
		LOCK_INITIALIZER(LOCK_QUOTA), 0, n                                                 \
	}

Test(quota, shares_grow_up_to_the_bound)
{
	struct quota q = QUOTA(100);

	cr_assert(quota_move(&q, 0, 60));
	cr_assert(quota_move(&q, 0, 40));
	cr_assert_eq(q.used, 100);
	cr_assert_not(quota_move(&q, 40, 41));
	cr_assert_not(quota_move(&q, 0, 1));
	cr_assert(quota_move(&q, 0, 0));
	cr_assert(quota_move(&q, 60, 60));
	cr_assert_eq(q.used, 100);
}

Test(quota, what_shrinks_gives_back)
{
	struct quota q = QUOTA(100);

	cr_assert(quota_move(&q, 0, 100));
	cr_assert(quota_move(&q, 100, 30));
	cr_assert_eq(q.used, 30);
	cr_assert(quota_move(&q, 0, 70));
	cr_assert(quota_move(&q, 30, 0));
	cr_assert(quota_move(&q, 70, 0));
	cr_assert_eq(q.used, 0);
}

Test(quota, what_is_refused_takes_nothing)
{
	struct quota q = QUOTA(100);

	cr_assert(quota_move(&q, 0, 10));
	cr_assert_not(quota_move(&q, 10, 101));
	cr_assert_eq(q.used, 10);
	cr_assert(quota_move(&q, 10, 100));
}

Test(quota, sums_do_not_wrap)
{
	struct quota q = QUOTA(100), all = QUOTA(SIZE_MAX);

	cr_assert(quota_move(&q, 0, 50));
	cr_assert_not(quota_move(&q, 0, SIZE_MAX));
	cr_assert_not(quota_move(&q, 50, SIZE_MAX));
	cr_assert_eq(q.used, 50);
	cr_assert(quota_move(&all, 0, SIZE_MAX));
	cr_assert_not(quota_move(&all, 0, 1));
	cr_assert(quota_move(&all, SIZE_MAX, 0));
	cr_assert_eq(all.used, 0);
}

Test(quota, none_is_without_bounds)
{
	cr_assert(quota_move(NULL, 0, SIZE_MAX));
	cr_assert(quota_move(NULL, SIZE_MAX, 0));
}

Test(quota, a_bound_of_nothing_refuses_all)
{
	struct quota q = QUOTA(0);

	cr_assert_not(quota_move(&q, 0, 1));
	cr_assert(quota_move(&q, 0, 0));
}

/* Each takes 10 and gives them back, of 25: two have room at once, and not three. */
static void *mover(void *arg)
{
	struct quota *q = arg;

	for (size_t i = 0; i < 20000; i++) {
		if (!quota_move(q, 0, 10))
			continue;
		lock_acquire(&q->lock);
		cr_assert(q->used == 10 || q->used == 20, "%zu", q->used);
		lock_release(&q->lock);
		quota_move(q, 10, 0);
	}
	return NULL;
}

Test(quota, threads_never_hold_more_together)
{
	struct quota q = QUOTA(25);
	pthread_t threads[4];

	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, mover, &q), 0);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	cr_assert_eq(q.used, 0);
}

static struct draft *new_draft(struct quota *q, size_t max)
{
	const struct caller caller = {.pid = getpid()};
	struct draft *d = draft_new(NULL, &caller, max);

	cr_assert_not_null(d);
	d->quota = q;
	d->patient = q != NULL;
	return d;
}

Test(quota, drafts_share_one, .init = support_init)
{
	struct quota q = QUOTA(10);
	struct draft *a = new_draft(&q, 100), *b = new_draft(&q, 100);

	cr_assert_eq(draft_write(a, "123456", 6, 0, false), 0);
	cr_assert_eq(draft_write(b, "1234", 4, 0, false), 0);
	cr_assert_eq(q.used, 10);
	cr_assert_eq(draft_write(a, "7", 1, 6, false), -EFBIG);
	cr_assert_eq(draft_write(a, "abcdef", 6, 0, false), 0, "it does not grow");
	cr_assert_eq(draft_truncate(b, 1), 0);
	cr_assert_eq(q.used, 7);
	cr_assert_eq(draft_write(a, "ghi", 3, 0, true), 0);
	cr_assert_eq(draft_size(a), 9);
	support_draft_put(a);
	cr_assert_eq(q.used, 1);
	support_draft_put(b);
	cr_assert_eq(q.used, 0);
}

static void assert_holds(struct draft *d, const char *expected)
{
	_cleanup_buf_ struct buf out = {0};

	cr_assert_eq(d->failed, 0);
	cr_assert_eq(draft_read(d, 0, 1000, &out), 0);
	cr_assert_eq(out.len, strlen(expected));
	cr_assert_str_eq(out.data, expected);
}

/* A program that got EFBIG may cut the file and go on: nothing of it goes to the server. */
Test(quota, too_much_does_not_fail_a_draft_that_has_one, .init = support_init)
{
	struct quota q = QUOTA(10);
	struct draft *d = new_draft(&q, 8);

	cr_assert_eq(draft_write(d, "hello", 5, 0, false), 0);
	d->dirty = false;
	cr_assert_eq(draft_write(d, "123456", 6, 5, false), -EFBIG);
	cr_assert_eq(draft_write(d, "1234", 4, 0, true), -EFBIG);
	cr_assert_eq(draft_write(d, "x", 1, SIZE_MAX, false), -EFBIG);
	cr_assert_eq(draft_truncate(d, 9), -EFBIG);
	cr_assert_eq(draft_truncate(d, 11), -EFBIG);
	cr_assert_not(d->dirty);
	cr_assert_eq(q.used, 5);
	assert_holds(d, "hello");
	cr_assert_eq(draft_write(d, "J", 1, 0, false), 0);
	assert_holds(d, "Jello");
	support_draft_put(d);
	cr_assert_eq(q.used, 0);
}

Test(quota, where_it_is_shared_one_uid_leaves_as_much_as_it_takes)
{
	struct quota q;

	quota_init(&q, 100, true);
	cr_assert_not(quota_move_of(&q, 1, 0, 51));
	cr_assert(quota_move_of(&q, 1, 0, 50));
	cr_assert(quota_move_of(&q, 2, 0, 25));
	cr_assert_not(quota_move_of(&q, 1, 50, 51));
	cr_assert_not(quota_move_of(&q, 2, 25, 26));
	cr_assert(quota_move_of(&q, 3, 0, 12), "nothing is left for who comes third");
	cr_assert(quota_move_of(&q, 0, 0, 13), "root may take all that is left");
	cr_assert(quota_move_of(&q, 1, 50, 0));
	cr_assert(quota_move_of(&q, 2, 25, 37));
	cr_assert(quota_move_of(&q, 2, 37, 0));
	cr_assert(quota_move_of(&q, 3, 12, 0));
	cr_assert(quota_move_of(&q, 0, 13, 0));
	cr_assert_eq(q.used, 0);
	cr_assert_null(q.shares);
	quota_fini(&q);
}

Test(quota, where_it_is_not_shared_one_uid_may_take_all)
{
	struct quota q;

	quota_init(&q, 100, false);
	cr_assert(quota_move_of(&q, 1, 0, 100));
	cr_assert(quota_move_of(&q, 1, 100, 0));
	quota_fini(&q);
}
