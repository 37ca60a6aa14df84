// SPDX-License-Identifier: Apache-2.0
/* Closing files that were written: the commit of a draft at close(2), fsync(2) and the last close.
 *
 * The process that opened the file decides when it is closed. A draft that others still hold then is
 * committed at the last close, of which the kernel tells us later, and without a caller to answer.
 *
 * A new file whose first commit fails is removed: it would stay as an empty file, and a program that
 * renames it over a good value would destroy that value. */

#include "edit/closing.h"

#include "base/log.h"
#include "edit/change.h"
#include "edit/removal.h"
#include "edit/scratch.h"
#include "edit/target.h"
#include "host/holder.h"
#include "host/process.h"
#include "tree/announce.h"
#include "tree/last_close.h"

#include <errno.h>
#include <utlist.h>

/* A new file that could not be written is gone, unless somebody else still writes it. */
static void spoil_locked(struct tree *t, struct node *n, int code)
{
	LOCK_HELD(&t->lock);
	struct handle *h;

	if (!node_is_field(n) || !n->local || n->gone)
		return;
	field_of(n)->spoilt = code;
	DL_FOREACH (n->drafts, h)
		if (!draft_failure(h->draft))
			return;
	log_info("a new file that could not be written is removed", F_STR("name", n->name));
	announce_absence_locked(t, field_dir(field_of(n)), n->name);
	node_detach_locked(n);
	node_unlocal_locked(t, n);
}

static void fail_draft(struct tree *t, struct node *n, struct draft *d, int code)
{
	LOCK_SCOPE(&t->lock);

	draft_fail(d, code);
	spoil_locked(t, n, code);
}

/* The commit is made: what was local is at the server. */
static void take_version(struct tree *t, struct node *n, struct draft *d, struct kv_version *made)
{
	lock_acquire(&t->lock);
	object_put(d->base);
	d->base = made;
	object_put(steal(d->seen));
	if (node_is_field(n))
		field_of(n)->spoilt = 0;
	node_unlocal_locked(t, n);
	draft_settle(d);
	lock_release(&t->lock);
}

/* Whether what was written is worth keeping: not what no server would take, or a killed process had
 * only begun. */
static bool is_kept(int code, bool is_new)
{
	switch (code) {
	case EBUSY:
		return true;
	case EINVAL:
	case EILSEQ:
	case EFBIG:
	case E2BIG:
	case EINTR:
		return false;
	default:
		return is_new;
	}
}

/* What the latest version must be: by the descriptor, else by the user. */
static int64_t cas_of(struct tree *t, struct dir *d, struct draft *draft)
{
	LOCK_SCOPE(&t->lock);

	return draft->cas != NO_CAS ? draft->cas : cas_armed_locked(d, draft->uid);
}

/* The commit itself, once it is our turn. */
static int commit_text(struct tree *t, struct node *n, const struct target *at, struct draft *d,
		       struct buf *text, const struct request *rq)
{
	struct commit c = {.base = d->base, .cas = cas_of(t, at->dir, d)};
	struct kv_version *made = NULL;
	int r;

	lock_acquire(&d->lock);
	c.blind = d->replaces && !d->depends;
	lock_release(&d->lock);
	r = target_commit(t, at, text, &c, rq, &made);
	if (r == 0) {
		take_version(t, n, d, made);
		return 0;
	}
	if (is_kept(-r, n->local))
		scratch_keep(t, at->dir, n->name, d, rq);
	fail_draft(t, n, d, -r);
	return r;
}

/* The file at the server that a handle writes to; NULL: none. */
static struct node *written_node(struct handle *h)
{
	return node_is_scratch(h->node) ? scratch_of(h->node)->became : h->node;
}

int closing_commit(struct tree *t, struct node *n, struct draft *d, bool also_emptied,
		   const struct request *rq)
{
	/* Who closes it may be another, and the kernel does not say who closed it last. */
	struct caller opener = {.uid = d->uid, .gid = d->gid, .pid = d->opener};
	struct request by_opener = *rq;
	_cleanup_buf_ struct buf text = {0};
	struct target at = {0};
	int r = 0;

	by_opener.caller = &opener;
	lock_acquire(&t->lock);
	if (n && !n->gone) {
		at = target_of_locked(n);
		at.seen = d->seen;
		r = removal_settle_locked(t, at.dir, rq->ask);
		if (r == 0)
			r = commit_begin_locked(t, at.dir, rq->ask);
	}
	lock_release(&t->lock);
	if (!at.dir || r != 0)
		return r; /* a file that was removed goes with its last descriptor */
	if (draft_take(d, also_emptied, &text))
		r = commit_text(t, n, &at, d, &text, &by_opener);
	commit_end(t, at.dir);
	return r;
}

/* What was written to the file and is not committed yet, referenced; NULL: nothing. *failed is an errno
 * where that is because it could not be written. */
static struct draft *take_unwritten_locked(struct field *f, int *failed)
{
	LOCK_HELD_NAMED(LOCK_TREE);
	struct handle *h;

	*failed = f->spoilt;
	DL_FOREACH (f->node.drafts, h) {
		if (draft_is_dirty(h->draft)) {
			h->draft->refs++;
			return h->draft;
		}
		if (!*failed)
			*failed = draft_failure(h->draft);
	}
	return NULL;
}

int closing_commit_new(struct tree *t, struct field *f, const struct request *rq)
{
	struct draft *d;
	int failed, r;

	lock_acquire(&t->lock);
	d = take_unwritten_locked(f, &failed);
	lock_release(&t->lock);
	if (!d)
		return failed ? err_set(rq->err, failed, "the file could not be written") : 0;
	r = closing_commit(t, &f->node, d, false, rq);
	LOCK_SCOPE(&t->lock);
	draft_put_locked(d);
	return r;
}

static int commit_handle(struct tree *t, struct handle *h, bool also_emptied,
			 const struct request *rq)
{
	return closing_commit(t, written_node(h), h->draft, also_emptied, rq);
}

bool edit_flush_pending(struct handle *h, int *answer)
{
	LOCK_SCOPE(&h->draft->lock);

	*answer = -h->draft->failed;
	return !h->draft->failed && (h->draft->dirty || h->draft->emptied);
}

static bool abandon(struct tree *t, struct handle *h, pid_t pid)
{
	if (node_is_scratch(h->node) || !process_killed(pid))
		return false;
	fail_draft(t, h->node, h->draft, EINTR);
	log_info("what a killed process was writing is thrown away", F_INT("pid", pid));
	return true;
}

/* The process that opened the file, once that is gone any other. */
static bool decides(const struct draft *d, pid_t process)
{
	return !process || process == d->opener || !process_alive(d->opener);
}

bool edit_abandon(struct tree *t, struct handle *h, pid_t pid)
{
	return decides(h->draft, process_of(pid)) && abandon(t, h, pid);
}

/* Nothing is left to the last close of the file any more. */
static void settle(struct tree *t, struct handle *h)
{
	struct waitq left;

	lock_acquire(&t->lock);
	left = last_close_end_locked(t, h);
	lock_release(&t->lock);
	waitq_wake(left);
}

static bool opened_it_twice(struct tree *t, const struct handle *h)
{
	const struct handle *other;
	unsigned n = 0;
	LOCK_SCOPE(&t->lock);

	DL_FOREACH (h->node->drafts, other)
		n += other->draft->opener == h->draft->opener;
	return n > 1;
}

/* Whether anybody is left who can write through the handle once `process` has closed it: the process that
 * opened it, those that it has handed it to, and this one. */
static enum holding held_still(struct tree *t, const struct handle *h, pid_t process)
{
	pid_t opener = h->draft->opener;
	enum holding by_opener = holder_family(opener, h->node->ino), other;

	if (by_opener == HOLDING_YES)
		return opened_it_twice(t, h) ? HOLDING_UNKNOWN : by_opener;
	other = process == opener ? HOLDING_NO : holder_family(process, h->node->ino);
	return other == HOLDING_NO ? by_opener : other;
}

/* A child that was handed the descriptor closes it too; the process that opened it decides, while it
 * holds it. A shell closes one of two descriptors before it has written anything: a truncation alone
 * is not committed while there is another. */
int edit_flush(struct tree *t, struct handle *h, const struct request *rq)
{
	struct draft *d = h->draft;
	pid_t pid = rq->caller->pid, process = process_of(pid);
	enum holding held = HOLDING_NO;
	int r;

	if (!decides(d, process) || !draft_is_dirty(d))
		held = held_still(t, h, process);
	if (held == HOLDING_YES || (held == HOLDING_NO && abandon(t, h, pid)))
		return 0;
	if (held == HOLDING_NO) {
		r = commit_handle(t, h, true, rq);
		if (r != PARKED)
			settle(t, h);
		return r;
	}
	LOCK_SCOPE(&t->lock);
	if (written_node(h))
		last_close_expect_locked(t, h, written_node(h));
	return 0;
}

int edit_fsync(struct tree *t, struct handle *h, const struct request *rq)
{
	int answer;

	edit_flush_pending(h, &answer);
	if (!answer)
		answer = commit_handle(t, h, true, rq);
	if (answer != PARKED)
		settle(t, h);
	return answer;
}

bool edit_release_pending(struct handle *h)
{
	struct draft *d = h->draft;
	LOCK_SCOPE(&d->lock);

	return (!d->failed && (d->dirty || d->emptied)) || d->owes_removal;
}

void edit_release_begin(struct tree *t, struct handle *h)
{
	LOCK_SCOPE(&t->lock);

	if (written_node(h))
		last_close_begin_locked(t, h, written_node(h));
}

static void end_draft_locked(struct tree *t, struct handle *h)
{
	LOCK_HELD(&t->lock);
	struct node *n = h->node;
	int failed = draft_failure(h->draft);

	DL_DELETE(n->drafts, h);
	n->writers--;
	if (node_is_scratch(n) && n->gone && !n->drafts)
		draft_discharge(h->draft, true);
	if (!failed && node_is_field(n))
		failed = field_of(n)->spoilt;
	if (failed)
		spoil_locked(t, n, failed);
	draft_put_locked(h->draft);
	handle_free_locked(t, h);
}

/* Nothing came in the place of what was removed: then it is removed. */
static int pay_removal(struct tree *t, struct handle *h, const struct request *rq)
{
	int r = h->draft->owes_removal ? removal_make(t, field_of(h->node), rq) : 0;

	if (r != PARKED)
		h->draft->owes_removal = false;
	return r;
}

int edit_release(struct tree *t, struct handle *h, const struct request *rq)
{
	struct caller opener = {
		.uid = h->draft->uid, .gid = h->draft->gid, .pid = h->draft->opener};
	struct request by_opener = *rq;
	int r = 0;

	by_opener.caller = &opener;
	if (edit_release_pending(h))
		r = commit_handle(t, h, true, rq);
	if (r == PARKED)
		return r;
	settle(t, h);
	if (h->draft->owes_removal)
		r = pay_removal(t, h, &by_opener);
	if (r == PARKED)
		return r;
	LOCK_SCOPE(&t->lock);
	end_draft_locked(t, h);
	return r;
}

void edit_end(struct tree *t)
{
	struct handle *h, *next;

	tree_deafen(t);
	LOCK_SCOPE(&t->lock);
	scratch_end_locked(t, t->root);
	DL_FOREACH_SAFE2 (t->handles, h, next, after) {
		_cleanup_free_ char *path = NULL;

		if (!h->draft)
			continue;
		path = node_path_locked(h->node);
		if (!node_is_scratch(h->node) && edit_release_pending(h))
			log_warning("what was being written is lost", F_STR("path", path));
		end_draft_locked(t, h);
	}
}
