// SPDX-License-Identifier: Apache-2.0
/* The live check: one request to the server before anything is changed, so that what can fail fails
 * while the program still listens. And check-and-set by hand: a number is armed on a secret, and the
 * next change that is sent spends it. */

#include "edit/change.h"

#include "edit/removal.h"
#include "tree/last_close.h"

#include <errno.h>
#include <stdlib.h>

int cas_arm_locked(struct dir *d, uid_t uid, int64_t number)
{
	LOCK_HELD_NAMED(LOCK_TREE);
	struct armed *a;

	cas_disarm_locked(d, uid);
	a = malloc(sizeof(*a));
	if (!a)
		return -ENOMEM;
	*a = (struct armed){.next = d->armed, .uid = uid, .number = number};
	d->armed = a;
	return 0;
}

void cas_disarm_locked(struct dir *d, uid_t uid)
{
	LOCK_HELD_NAMED(LOCK_TREE);

	for (struct armed **p = &d->armed; *p; p = &(*p)->next) {
		if ((*p)->uid == uid) {
			struct armed *a = *p;

			*p = a->next;
			free(a);
			return;
		}
	}
}

int64_t cas_armed_locked(const struct dir *d, uid_t uid)
{
	LOCK_HELD_NAMED(LOCK_TREE);

	for (const struct armed *a = d->armed; a; a = a->next)
		if (a->uid == uid)
			return a->number;
	return NO_CAS;
}

/* The latest version, or what stands for it where it may be written and not read. */
static int read_base(struct tree *t, struct dir *d, const struct request *rq, bool whole,
		     struct kv_version **base)
{
	int r = commit_read_latest(t, d, rq, SHOWN_SEEN, base);

	if (r != -EACCES || !whole)
		return r;
	*base = kv_version_empty(KV_ABSENT, -1);
	return *base ? 0 : err_set(rq->err, ENOMEM, "no memory");
}

static int permit_locked(struct tree *t, struct dir *d, const struct request *rq,
			 const struct kv_version *base)
{
	LOCK_HELD(&t->lock);
	int r;

	if (!change_is_unseen(base))
		return commit_permit_locked(t, d, base->number > 0 ? KV_UPDATE : KV_CREATE, rq);
	r = commit_permit_locked(t, d, KV_CREATE, rq);
	return r == -EACCES ? commit_permit_locked(t, d, KV_UPDATE, rq) : r;
}

static int look(struct tree *t, struct dir *d, const struct request *rq, bool whole,
		struct kv_version **base, int64_t *cas)
{
	int r = read_base(t, d, rq, whole, base);

	if (r < 0)
		return r;
	lock_acquire(&t->lock);
	r = permit_locked(t, d, rq, *base);
	if (r == 0)
		*cas = cas_armed_locked(d, rq->caller->uid);
	lock_release(&t->lock);
	if (r == 0)
		r = change_check_merge(&(struct secret_change){.cas = *cas}, *base, false, rq->err);
	if (r != 0)
		object_put(steal(*base));
	return r;
}

/* What is from memory or PARKED, and so first: nothing has been done yet. */
static int prepare_locked(struct tree *t, struct dir *d, const struct request *rq)
{
	LOCK_HELD(&t->lock);
	int r = last_close_wait_locked(t, &d->node, rq->ask);

	if (r == 0)
		r = removal_settle_locked(t, d, rq->ask);
	return r == 0 ? commit_permit_locked(t, d, 0, rq) : r;
}

int change_look(struct tree *t, struct dir *d, const struct request *rq, bool whole,
		struct kv_version **base)
{
	int64_t cas;
	int r;

	lock_acquire(&t->lock);
	r = prepare_locked(t, d, rq);
	lock_release(&t->lock);
	return r == 0 ? look(t, d, rq, whole, base, &cas) : r;
}

int change_begin(struct tree *t, struct dir *d, const struct request *rq, bool whole,
		 struct kv_version **base, int64_t *cas)
{
	int r;

	*cas = NO_CAS;
	lock_acquire(&t->lock);
	r = prepare_locked(t, d, rq);
	/* The right is not to be parked with. */
	if (r == 0)
		r = commit_begin_locked(t, d, rq->ask);
	lock_release(&t->lock);
	if (r != 0)
		return r;
	r = look(t, d, rq, whole, base, cas);
	if (r != 0)
		commit_end(t, d);
	return r;
}

int change_check(struct tree *t, struct dir *d, const struct request *rq, struct kv_version **base)
{
	int64_t cas;
	int r;

	lock_acquire(&t->lock);
	r = last_close_wait_locked(t, &d->node, rq->ask);
	if (r == 0)
		r = commit_permit_locked(t, d, 0, rq);
	lock_release(&t->lock);
	return r == 0 ? look(t, d, rq, false, base, &cas) : r;
}
