// SPDX-License-Identifier: Apache-2.0
/* Parked requests are woken in their order, once each, and ready() may queue its waiter again; a
 * request without a waiter gets PARKED but is not queued. */

#include "unit_support.h"

#include "base/wait.h"

TestSuite(wait, .fini = support_fini, .timeout = 120);

struct named {
	struct waiter waiter;
	char name;
	struct waitq *back; /* ready() parks itself there */
};

static char order[64];

static void note(struct waiter *w)
{
	struct named *n = container_of(w, struct named, waiter);

	order[strlen(order)] = n->name;
	if (n->back)
		waitq_park_locked(n->back, &(struct ask){.waiter = w});
}

static void park(struct waitq *q, struct named *n)
{
	cr_assert_eq(waitq_park_locked(q, &(struct ask){.waiter = &n->waiter}), PARKED);
}

Test(wait, they_are_woken_in_the_order_in_which_they_came)
{
	struct waitq q = {0};
	struct named rows[5];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		rows[i] = (struct named){.waiter.ready = note, .name = (char)('a' + i)};
		park(&q, &rows[i]);
	}
	cr_assert_str_eq(order, "");
	waitq_wake(waitq_take_locked(&q));
	cr_assert_str_eq(order, "abcde");
	waitq_wake(waitq_take_locked(&q));
	cr_assert_str_eq(order, "abcde", "somebody was woken twice");
}

Test(wait, ready_may_queue_again)
{
	struct waitq q = {0};
	struct named a = {{note}, 'a', &q}, b = {{note}, 'b', NULL}, c = {{note}, 'c', &q};

	park(&q, &a);
	park(&q, &b);
	park(&q, &c);
	waitq_wake(waitq_take_locked(&q));
	cr_assert_str_eq(order, "abc");
	a.back = c.back = NULL;
	waitq_wake(waitq_take_locked(&q));
	cr_assert_str_eq(order, "abcac");
	cr_assert_null(waitq_take_locked(&q).head);
}

static void free_self(struct waiter *w)
{
	note(w);
	free(container_of(w, struct named, waiter));
}

Test(wait, ready_may_free_its_waiter)
{
	struct waitq q = {0};

	for (int i = 0; i < 3; i++) {
		struct named *n = calloc(1, sizeof(*n));

		*n = (struct named){.waiter.ready = free_self, .name = 'x'};
		park(&q, n);
	}
	waitq_wake(waitq_take_locked(&q));
	cr_assert_str_eq(order, "xxx");
}

Test(wait, without_a_waiter_nothing_is_queued)
{
	struct waitq q = {0};

	cr_assert_eq(waitq_park_locked(&q, &(struct ask){0}), PARKED);
	cr_assert_null(q.head);
	waitq_wake(waitq_take_locked(&q));
}
