// SPDX-License-Identifier: Apache-2.0
/* Quotas. No user can take everything: some is always left for the next one, however many came before. */

#include "node/quota.h"

#include "base/cleanup.h"

#include <stdlib.h>
#include <uthash.h>

struct quota_share {
	UT_hash_handle hh;
	uid_t uid;
	size_t used;
};

void quota_init(struct quota *q, size_t max, bool shared)
{
	*q = (struct quota){.max = max, .shared = shared};
	lock_init(&q->lock, LOCK_QUOTA);
}

void quota_fini(struct quota *q)
{
	struct quota_share *s, *next;

	HASH_ITER (hh, q->shares, s, next) {
		HASH_DELETE(hh, q->shares, s);
		free(s);
	}
	lock_fini(&q->lock);
}

/* NULL: no memory. */
static struct quota_share *share_locked(struct quota *q, uid_t uid)
{
	LOCK_HELD(&q->lock);
	struct quota_share *s;

	HASH_FIND(hh, q->shares, &uid, sizeof(uid), s);
	if (s)
		return s;
	s = calloc(1, sizeof(*s));
	if (s) {
		s->uid = uid;
		HASH_ADD(hh, q->shares, uid, sizeof(uid), s);
	}
	return s;
}

static void forget_locked(struct quota *q, struct quota_share *s)
{
	LOCK_HELD(&q->lock);

	if (s->used)
		return;
	HASH_DELETE(hh, q->shares, s);
	free(s);
}

/* Resizes the uid's share. False if growing would leave others less than `left` allows. */
static bool move_share_locked(struct quota *q, uid_t uid, size_t before, size_t after, size_t left)
{
	LOCK_HELD(&q->lock);
	struct quota_share *s = share_locked(q, uid);
	bool moved;

	if (!s)
		return false;
	moved = after <= before || s->used + (after - before) <= left;
	if (moved)
		s->used += after - before;
	forget_locked(q, s);
	return moved;
}

bool quota_move_of(struct quota *q, uid_t uid, size_t before, size_t after)
{
	if (!q || before == after)
		return true;
	LOCK_SCOPE(&q->lock);
	if (after > before && after - before > q->max - q->used)
		return false;
	if (q->shared && uid != 0 &&
	    !move_share_locked(q, uid, before, after, q->max - q->used - (after - before)))
		return false;
	q->used += after - before;
	return true;
}
