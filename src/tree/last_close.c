// SPDX-License-Identifier: Apache-2.0
/* The kernel sends RELEASE, the last close of a file, without waiting for an answer, and tells nobody
 * when it is done. So the next open(2) of the process that closed the file may come before it, or while
 * its commit is on its way:
 *
 *      close(2) --> FLUSH --> returns --> open(2) -----------> OPEN --.
 *                              |                                      | parked
 *                              `--> RELEASE --> [commit] --> done ----'--> goes on
 *                    ^              ^
 *                    |              last_close_begin_locked()
 *                    last_close_expect_locked(), where we cannot tell whether RELEASE follows
 */

#include "tree/last_close.h"

#include "base/clock.h"
#include "tree/control_dir.h"

#include <utlist.h>

#define EXPECT_TIME (300 * NS_PER_MS)

static void lapse(struct timer *timer)
{
	struct tree *t = container_of(timer, struct tree, lapse);
	uint64_t now = clock_mono(), next = UINT64_MAX;
	struct waitq left;
	struct handle *h;

	lock_acquire(&t->lock);
	DL_FOREACH2(t->handles, h, after)
	{
		if (h->leaves && h->leaves_by <= now) {
			h->leaves = NULL;
			t->leaving--;
		} else if (h->leaves && h->leaves_by < next) {
			next = h->leaves_by;
		}
	}
	if (next != UINT64_MAX)
		timer_arm(t->config.timers, &t->lapse, next);
	left = waitq_take_locked(&t->left);
	lock_release(&t->lock);
	waitq_wake(left);
}

static void leave_locked(struct tree *t, struct handle *h, struct node *n, uint64_t by)
{
	LOCK_HELD(&t->lock);

	if (!h->leaves)
		t->leaving++;
	h->leaves = n;
	h->leaves_by = by;
}

static bool expects_any_locked(struct tree *t)
{
	LOCK_HELD(&t->lock);
	const struct handle *h;

	DL_FOREACH2(t->handles, h, after)
	if (h->leaves && h->leaves_by != UINT64_MAX)
		return true;
	return false;
}

/* The time is the same for all, so that a timer which is armed is so for the earliest. */
void last_close_expect_locked(struct tree *t, struct handle *h, struct node *n)
{
	LOCK_HELD(&t->lock);
	bool armed = expects_any_locked(t);

	leave_locked(t, h, n, clock_mono() + EXPECT_TIME);
	t->lapse.fire = lapse;
	if (!armed)
		timer_arm(t->config.timers, &t->lapse, h->leaves_by);
}

void last_close_begin_locked(struct tree *t, struct handle *h, struct node *n)
{
	LOCK_HELD(&t->lock);

	leave_locked(t, h, n, UINT64_MAX);
}

struct waitq last_close_end_locked(struct tree *t, struct handle *h)
{
	LOCK_HELD(&t->lock);

	if (!h->leaves)
		return (struct waitq){NULL};
	h->leaves = NULL;
	t->leaving--;
	return waitq_take_locked(&t->left);
}

static struct dir *owner_of(struct node *n)
{
	if (node_is_dir(n))
		return dir_of(n);
	return node_is_field(n) ? field_dir(field_of(n)) : control_owner(n);
}

static bool concerns(struct node *leaves, struct node *n)
{
	if (n == leaves)
		return true;
	if (node_is_field(n) && node_is_field(leaves))
		return false;
	return owner_of(n) && owner_of(n) == owner_of(leaves);
}

int last_close_wait_locked(struct tree *t, struct node *n, const struct ask *ask)
{
	LOCK_HELD(&t->lock);
	struct handle *h;

	if (t->leaving == 0 || !ask->asker)
		return 0;
	DL_FOREACH2(t->handles, h, after)
	if (h->leaves && concerns(h->leaves, n))
		return waitq_park_locked(&t->left, ask);
	return 0;
}
