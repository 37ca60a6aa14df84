// SPDX-License-Identifier: Apache-2.0
/* Rows of removals. rm -r of a secret of 30 fields would make 30 versions, and push the last complete
 * one out of the history.
 *
 *      unlink a      unlink b  unlink c  ...  unlink z         rmdir, another process, 50 ms of quiet
 *      a version     in the row ------------------->           one version
 *
 * The process that removed them sees them gone; any other that asks waits until they are.
 *
 * A secret of which all fields go is soft-deleted as it was, so that undelete brings all of it back: no
 * smaller version may come first. Two kinds of process are known to remove more than the first field,
 * which then waits in the row as well: one that has the directory open (rm -r, find -delete), and one
 * that names every field in its arguments (rm s/...). Of any other the first removal is a version by
 * itself; if the rest follows in the same row, the whole content is written once more and that version is
 * deleted. */

#include "edit/removal.h"

#include "base/clock.h"
#include "base/log.h"
#include "edit/arguments.h"
#include "edit/change.h"
#include "host/process.h"
#include "rule/rule_check.h"
#include "tree/dir_traits.h"
#include "tree/layered.h"
#include "tree/listing.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define ROW_TIME   (NS_PER_SEC)
#define QUIET_TIME (50 * NS_PER_MS)

struct removed {
	UT_hash_handle hh; /* by `raw`, in the order of removal */
	bool taken;	   /* on its way to the server */
	size_t len;
	char raw[];
};

struct row {
	struct removals removals; /* how the tree knows it */
	struct tree *t;
	struct dir *d;
	pid_t process;
	struct caller caller;
	uint64_t until;		  /* clock_mono(): what is removed later is no part of it */
	bool announced;		  /* the process has named all fields in its arguments */
	struct kv_version *base;  /* the server's, when the first name came; NULL: there is none */
	struct kv_version *first; /* before the removal that was made at once, and what that made */
	int64_t first_made;
	struct removed *names;
	size_t count;
	struct timer timer; /* while it is armed it has a use of the directory */
	struct job job;	    /* while it is `busy` too */
	struct waiter lane; /* for its turn to change the secret */
	bool busy;
	struct waitq waiting;
	struct err failure;
};

static struct row *row_of(const struct dir *d)
{
	return d->removals ? container_of(d->removals, struct row, removals) : NULL;
}

static bool row_has(const struct removals *r, const char *raw, size_t raw_len)
{
	const struct row *row = container_of(r, const struct row, removals);
	struct removed *found;

	HASH_FIND(hh, row->names, raw, raw_len, found);
	return found != NULL;
}

static void drop_name(struct row *row, struct removed *name)
{
	HASH_DELETE(hh, row->names, name);
	row->count--;
	free(name);
}

static void drop_names(struct row *row, bool taken_alone)
{
	struct removed *name, *next;

	HASH_ITER (hh, row->names, name, next)
		if (name->taken || !taken_alone)
			drop_name(row, name);
}

static void forget_first(struct row *row)
{
	object_put(row->first);
	row->first = NULL;
}

static void forget_base(struct row *row)
{
	object_put(row->base);
	row->base = NULL;
}

static void row_free(struct removals *r)
{
	struct row *row = container_of(r, struct row, removals);

	drop_names(row, false);
	forget_base(row);
	forget_first(row);
	free(row);
}

/* All of the row, as changes; the names are the row's. NULL: no memory. */
static struct kv_change *take_locked(struct row *row, size_t *count)
{
	LOCK_HELD_NAMED(LOCK_TREE);
	struct kv_change *changes = calloc(row->count + 1, sizeof(*changes));
	struct removed *name, *next;

	*count = 0;
	HASH_ITER (hh, row->names, name, next) {
		name->taken = true;
		if (changes)
			changes[(*count)++] = (struct kv_change){
				.name = name->raw, .name_len = name->len, .remove = true};
	}
	return changes;
}

static size_t drop_absent(struct kv_change *changes, size_t n, const struct kv_version *base)
{
	size_t left = 0;

	for (size_t i = 0; i < n; i++)
		if (kv_version_field(base, changes[i].name, changes[i].name_len))
			changes[left++] = changes[i];
	return left;
}

/* What the secret held before the first removal of the row, once more as its newest version; *base
 * becomes that. */
static int write_first(struct row *row, const struct request *rq, struct kv_version **base)
{
	_cleanup_free_ struct kv_change *changes = kv_version_changes(row->first, row->first);
	struct commit c = {.dir = row->d,
			   .base = *base,
			   .changes = changes,
			   .count = row->first->count,
			   .whole = true,
			   .cas = (*base)->number};
	struct kv_version *made = NULL;
	int r = changes ? commit_make(row->t, &c, rq, &made) : -ENOMEM;

	if (r < 0)
		return r;
	object_put(*base);
	*base = made;
	return 0;
}

/* Whether the row, with the removal that came before it, empties the secret. */
static bool is_rest(const struct row *row, size_t count, const struct kv_version *base)
{
	return row->first && count == base->count && base->state == KV_LIVE &&
	       base->number == row->first_made && !(dir_traits(row->t, row->d) & KV_FLAT);
}

/* Between commit_begin and commit_end. */
static int remove_taken(struct row *row, struct kv_change *changes, size_t count, struct err *err)
{
	_cleanup_object_ struct kv_version *base = NULL, *made = NULL;
	uint64_t deadline = clock_mono() + row->t->config.timeout;
	struct ask ask = {.deadline = deadline};
	struct request rq = {
		.caller = &row->caller, .ask = &ask, .limit = {.deadline = deadline}, .err = err};
	struct commit c = {.dir = row->d, .changes = changes, .cas = NO_CAS, .blind = true};
	_cleanup_free_ struct kv_change *all = NULL;
	int r;

	if (!changes)
		return err_set(err, ENOMEM, "no memory");
	r = commit_read_latest(row->t, row->d, &rq, SHOWN_FOREIGN, &base);
	if (r < 0)
		return r;
	c.count = drop_absent(changes, count, base);
	if (c.count && is_rest(row, c.count, base)) {
		r = write_first(row, &rq, &base);
		all = r == 0 ? kv_version_changes(base, base) : NULL;
		if (!all)
			return r < 0 ? r : err_set(err, ENOMEM, "no memory");
		for (size_t i = 0; i < base->count; i++)
			all[i].remove = true;
		c.changes = all;
		c.count = base->count;
	}
	c.base = base;
	return c.count ? commit_make(row->t, &c, &rq, &made) : 0;
}

static void start_locked(struct row *row)
{
	LOCK_HELD_NAMED(LOCK_TREE);

	if (row->busy)
		return;
	row->busy = true;
	row->t->removing++;
	node_use_locked(&row->d->node);
	pool_submit(row->t->config.pool, &row->job);
}

static void finish(struct row *row, int r, const struct err *err)
{
	struct tree *t = row->t;
	_cleanup_free_ char *path = NULL;
	struct waitq waiting;

	lock_acquire(&t->lock);
	if (r < 0) {
		row->failure = *err;
		row->failure.code = -r;
		path = node_path_locked(&row->d->node);
		failures_add(&t->failures,
			     &(struct failure){.uid = row->caller.uid,
					       .path = path,
					       .dirs = {row->d->path},
					       .names = true},
			     &row->failure);
		log_warning("fields could not be removed, and are there again", F_STR("path", path),
			    F_INT("fields", row->count), F_INT("uid", row->caller.uid), F_ERR(err));
	}
	drop_names(row, true);
	forget_base(row);
	forget_first(row);
	row->busy = false;
	t->removing--;
	cond_broadcast(&t->drained);
	if (row->count)
		start_locked(row);
	waiting = waitq_take_locked(&row->waiting);
	node_unuse_locked(t, &row->d->node); /* the row may be gone now */
	lock_release(&t->lock);
	waitq_wake(waiting);
}

static void run(struct job *job)
{
	struct row *row = container_of(job, struct row, job);
	struct tree *t = row->t;
	struct ask ask = {.deadline = UINT64_MAX, .waiter = &row->lane};
	_cleanup_free_ struct kv_change *changes = NULL;
	struct err err = {0};
	size_t count = 0;
	int r;

	lock_acquire(&t->lock);
	r = commit_begin_locked(t, row->d, &ask);
	if (r == 0)
		changes = take_locked(row, &count);
	lock_release(&t->lock);
	if (r == PARKED)
		return; /* the lane's waiter has it run again */
	r = remove_taken(row, changes, count, &err);
	commit_end(t, row->d);
	finish(row, r, &err);
}

static void on_lane(struct waiter *w)
{
	struct row *row = container_of(w, struct row, lane);

	pool_submit(row->t->config.pool, &row->job);
}

static void on_timer(struct timer *timer)
{
	struct row *row = container_of(timer, struct row, timer);
	struct tree *t = row->t;
	LOCK_SCOPE(&t->lock);

	if (row->count)
		start_locked(row);
	node_unuse_locked(t, &row->d->node);
}

static int admit_locked(struct tree *t, struct dir *d, const struct ask *ask, bool opens)
{
	LOCK_HELD(&t->lock);
	struct row *row = row_of(d);

	if (row->count == 0)
		return 0;
	if (!opens && (!ask->asker || row->process == process_of(ask->asker)))
		return 0;
	return removal_settle_locked(t, d, ask);
}

int removal_settle_locked(struct tree *t, struct dir *d, const struct ask *ask)
{
	LOCK_HELD(&t->lock);
	struct row *row = row_of(d);

	if (!row || row->count == 0)
		return 0;
	start_locked(row);
	return waitq_park_locked(&row->waiting, ask);
}

int removal_failure_locked(struct dir *d, struct err *err)
{
	LOCK_HELD_NAMED(LOCK_TREE);
	struct row *row = row_of(d);
	int code = row ? row->failure.code : 0;

	if (!code)
		return 0;
	err_set(err, code, "fields could not be removed: %s", err_text(&row->failure));
	row->failure = (struct err){0};
	return -code;
}

static void arm_locked(struct row *row, uint64_t quiet)
{
	LOCK_HELD_NAMED(LOCK_TREE);

	if (row->t->config.unlink_grace > quiet)
		quiet = row->t->config.unlink_grace;
	if (!timer_arm(row->t->config.timers, &row->timer, clock_mono() + quiet))
		node_use_locked(&row->d->node);
}

static void listed_locked(struct tree *t, struct dir *d, pid_t process)
{
	LOCK_HELD(&t->lock);
	struct row *row = row_of(d);

	if (row->count && row->process == process)
		arm_locked(row, QUIET_TIME);
}

static struct row *row_get_locked(struct tree *t, struct dir *d)
{
	LOCK_HELD(&t->lock);
	struct row *row = row_of(d);

	if (row)
		return row;
	row = calloc(1, sizeof(*row));
	if (!row)
		return NULL;
	row->removals = (struct removals){admit_locked, row_has, listed_locked, row_free};
	row->t = t;
	row->d = d;
	row->timer.fire = on_timer;
	row->job.run = run;
	row->lane.ready = on_lane;
	d->removals = &row->removals;
	return row;
}

static bool in_row_locked(const struct tree *t, const struct dir *d, const struct request *rq)
{
	LOCK_HELD(&t->lock);
	const struct row *row = row_of(d);

	if (t->config.unlink_grace)
		return true;
	return row && rq->caller->pid && clock_mono() < row->until &&
	       row->process == process_of(rq->caller->pid);
}

static bool removes_all_locked(const struct dir *d, const struct request *rq)
{
	LOCK_HELD_NAMED(LOCK_TREE);

	return rq->caller->pid && clock_mono() < d->lister.until &&
	       d->lister.process == process_of(rq->caller->pid);
}

static bool is_required(const struct tree *t, const struct field *f)
{
	return rule_requires(&t->config.rules, dir_of(f->node.parent)->path, f->raw, f->raw_len);
}

/* A number is armed for the very next change. */
static bool has_armed_locked(const struct dir *d, const struct request *rq)
{
	LOCK_HELD_NAMED(LOCK_TREE);

	for (const struct armed *a = d->armed; a; a = a->next)
		if (a->uid == rq->caller->uid)
			return true;
	return false;
}

bool removal_joins_locked(struct tree *t, const struct field *f, const struct request *rq)
{
	LOCK_HELD(&t->lock);
	const struct dir *d = dir_of(f->node.parent);

	if (has_armed_locked(d, rq))
		return false;
	return in_row_locked(t, d, rq) ||
	       (rq->caller->pid &&
		listing_is_open_locked(t, &d->node, process_of(rq->caller->pid))) ||
	       (is_required(t, f) && removes_all_locked(d, rq));
}

/* Arguments are a process's own memory: to read them from one that wants to do us harm may last for ever.
 * They are looked at for root and for our own user, who have other ways. */
bool removal_is_announced(struct tree *t, const struct field *f, const struct request *rq)
{
	_cleanup_object_ struct object *o = NULL;
	_cleanup_free_ char *dir = NULL;
	const struct kv_version *v;
	bool armed;

	if (!rq->caller->pid || (rq->caller->uid && rq->caller->uid != geteuid()))
		return false;
	lock_acquire(&t->lock);
	o = cache_peek(t->config.cache, TREE_DATA, dir_of(f->node.parent)->path);
	dir = strdup(f->node.parent->name);
	armed = has_armed_locked(dir_of(f->node.parent), rq);
	lock_release(&t->lock);
	v = o ? container_of(o, const struct kv_version, object) : NULL;
	if (armed || !dir || !v || v->count < 2)
		return false;
	return arguments_name_all(rq->caller->pid, dir, v);
}

int removal_check_locked(struct tree *t, const struct field *f, const struct kv_version *base,
			 const struct request *rq)
{
	LOCK_HELD(&t->lock);
	const struct dir *d = dir_of(f->node.parent);
	const struct row *row = row_of(d);
	size_t left = 0;

	if (!is_required(t, f) || removes_all_locked(d, rq))
		return 0;
	for (size_t i = 0; i < base->count; i++)
		left += !row ||
			!row_has(&row->removals, base->fields[i].name, base->fields[i].name_len);
	return left <= 1 ? 0
			 : err_set(rq->err, EINVAL, "the configuration requires the field %s",
				   f->node.name);
}

static void begin_locked(struct tree *t, struct dir *d, const struct request *rq)
{
	LOCK_HELD(&t->lock);
	struct row *row = row_get_locked(t, d);

	if (!row || row->count)
		return;
	row->process = process_of(rq->caller->pid);
	row->caller = *rq->caller;
	row->until = clock_mono() + ROW_TIME;
	row->announced = false;
	row->failure = (struct err){0};
	forget_first(row);
}

/* A removal was made: what the process removes within the next second is a row with it. */
static void made_one_locked(struct tree *t, struct dir *d, struct kv_version *base,
			    const struct kv_version *made, const struct request *rq)
{
	LOCK_HELD(&t->lock);
	struct row *row;

	begin_locked(t, d, rq);
	row = row_of(d);
	if (!row || row->count || made->number != base->number + 1)
		return;
	row->first = object_ref(base);
	row->first_made = made->number;
}

struct kv_version *removal_base_locked(struct dir *d, const struct request *rq)
{
	LOCK_HELD_NAMED(LOCK_TREE);
	const struct row *row = row_of(d);

	if (!row || !row->count || row->busy || clock_mono() >= row->until || !rq->caller->pid ||
	    row->process != process_of(rq->caller->pid))
		return NULL;
	return object_ref(row->base);
}

static int add_name(struct row *row, const char *raw, size_t len)
{
	struct removed *name = malloc(sizeof(*name) + len + 1);

	if (!name)
		return -ENOMEM;
	*name = (struct removed){.len = len};
	memcpy(name->raw, raw, len);
	name->raw[len] = '\0';
	HASH_ADD_KEYPTR(hh, row->names, name->raw, len, name);
	row->count++;
	return 0;
}

int removal_add_locked(struct tree *t, struct field *f, struct kv_version *base, bool announced,
		       const struct request *rq)
{
	LOCK_HELD(&t->lock);
	struct dir *d = field_dir(f);
	struct row *row = row_get_locked(t, d);
	bool more;

	if (!row)
		return err_set(rq->err, ENOMEM, "no memory");
	if (row->count == 0 && (t->config.unlink_grace || !in_row_locked(t, d, rq)))
		begin_locked(t, d, rq);
	if (add_name(row, f->raw, f->raw_len) < 0)
		return err_set(rq->err, ENOMEM, "no memory");
	row->announced |= announced;
	row->until = clock_mono() + ROW_TIME;
	if (base && !row->base && !row->busy)
		row->base = object_ref(base);
	node_detach_locked(&f->node);
	more = row->announced || listing_is_open_locked(t, &d->node, row->process);
	if (row->base && row->count >= row->base->count && !t->config.unlink_grace)
		start_locked(row); /* nothing is left that could follow */
	else
		arm_locked(row, more ? ROW_TIME : QUIET_TIME);
	return 0;
}

bool removal_revoke_locked(struct tree *t, struct dir *d, const char *raw, size_t raw_len,
			   const struct request *rq)
{
	LOCK_HELD(&t->lock);
	struct row *row = row_of(d);
	struct removed *name;

	if (!row || !t->config.unlink_grace || row->process != process_of(rq->caller->pid))
		return false;
	HASH_FIND(hh, row->names, raw, raw_len, name);
	if (!name || name->taken)
		return false;
	drop_name(row, name);
	return true;
}

static void end_locked(struct tree *t, struct node *n)
{
	LOCK_HELD(&t->lock);
	struct node *child, *next;
	struct row *row = node_is_dir(n) ? row_of(dir_of(n)) : NULL;

	if (row && row->count)
		start_locked(row);
	HASH_ITER (hh, n->children, child, next)
		end_locked(t, child);
}

void edit_settle(struct tree *t)
{
	LOCK_SCOPE(&t->lock);

	end_locked(t, t->root);
	while (t->removing > 0) /* each within its own time */
		cond_wait(&t->drained, &t->lock);
}

int removal_make(struct tree *t, struct field *f, const struct request *rq)
{
	_cleanup_object_ struct kv_version *base = NULL, *made = NULL;
	struct kv_change change = {.remove = true};
	struct commit c = {.dir = field_dir(f), .changes = &change, .count = 1, .blind = true};
	int r = change_begin(t, c.dir, rq, false, &base, &c.cas);

	if (r != 0)
		return r;
	change.name = f->raw;
	change.name_len = f->raw_len;
	c.base = base;
	r = layered_permit_removal(t, f, base, rq->err);
	if (r == 0 && !kv_version_field(base, f->raw, f->raw_len))
		r = err_set(rq->err, ENOENT, "%s is not there any more", f->node.name);
	else if (r == 0)
		r = commit_make(t, &c, rq, &made);
	lock_acquire(&t->lock);
	if (r == 0) {
		node_detach_locked(&f->node);
		made_one_locked(t, c.dir, base, made, rq);
	}
	lock_release(&t->lock);
	commit_end(t, c.dir);
	return r;
}
