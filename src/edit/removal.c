// SPDX-License-Identifier: Apache-2.0
/* Rows of removals. rm -r of a secret of 30 fields would make 30 versions, and push the last complete
 * one out of the history.
 *
 *      unlink a      unlink b  unlink c  ...  unlink z         rmdir, another process, 50 ms of quiet
 *      a version     in the row ------------------->           one version
 *
 * Who removed them sees them gone; whoever else asks waits until they are. */

#include "edit/removal.h"

#include "base/clock.h"
#include "base/log.h"
#include "edit/change.h"
#include "host/process.h"
#include "rule/rule_check.h"
#include "tree/layered.h"

#include <errno.h>
#include <string.h>

#define ROW_TIME   (NS_PER_SEC)
#define QUIET_TIME (50 * NS_PER_MS)

struct removed {
	char *raw;
	size_t len;
};

struct row {
	struct removals removals; /* how the tree knows it */
	struct tree *t;
	struct dir *d;
	pid_t process;
	struct caller caller;
	uint64_t until;	       /* clock_mono(): what is removed later is no part of it */
	struct removed *names; /* the first `taken` of them are on their way to the server */
	size_t count, room, taken;
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

	for (size_t i = 0; i < row->count; i++)
		if (row->names[i].len == raw_len && !memcmp(row->names[i].raw, raw, raw_len))
			return true;
	return false;
}

static void drop_names(struct row *row, size_t from, size_t n)
{
	if (!n)
		return;
	for (size_t i = from; i < from + n; i++)
		free(row->names[i].raw);
	memmove(row->names + from, row->names + from + n,
		(row->count - from - n) * sizeof(row->names[0]));
	row->count -= n;
}

static void row_free(struct removals *r)
{
	struct row *row = container_of(r, struct row, removals);

	drop_names(row, 0, row->count);
	free(row->names);
	free(row);
}

/* All of the row, as changes; the names are the row's. NULL: no memory. */
static struct kv_change *take_locked(struct row *row)
{
	struct kv_change *changes = calloc(row->count + 1, sizeof(*changes));

	row->taken = row->count;
	for (size_t i = 0; changes && i < row->count; i++)
		changes[i] = (struct kv_change){
			.name = row->names[i].raw, .name_len = row->names[i].len, .remove = true};
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

/* Between commit_begin and commit_end. */
static int remove_taken(struct row *row, struct kv_change *changes, struct err *err)
{
	_cleanup_object_ struct kv_version *base = NULL, *made = NULL;
	uint64_t deadline = clock_mono() + row->t->config.timeout;
	struct ask ask = {.deadline = deadline};
	struct request rq = {
		.caller = &row->caller, .ask = &ask, .limit = {.deadline = deadline}, .err = err};
	struct commit c = {.dir = row->d, .changes = changes, .blind = true, .cas = NO_CAS};
	int r;

	if (!changes)
		return err_set(err, ENOMEM, "no memory");
	r = commit_read_latest(row->t, row->d, &rq, SECRET_FOREIGN, &base);
	if (r < 0)
		return r;
	c.count = drop_absent(changes, row->taken, base);
	c.base = base;
	return c.count ? commit_make(row->t, &c, &rq, &made) : 0;
}

static void start_locked(struct row *row)
{
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

	pthread_mutex_lock(&t->lock);
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
			    F_INT("fields", row->taken), F_INT("uid", row->caller.uid), F_ERR(err));
	}
	drop_names(row, 0, row->taken);
	row->taken = 0;
	row->busy = false;
	t->removing--;
	pthread_cond_broadcast(&t->drained);
	if (row->count)
		start_locked(row);
	waiting = waitq_take_locked(&row->waiting);
	node_unuse_locked(t, &row->d->node); /* the row may be gone now */
	pthread_mutex_unlock(&t->lock);
	waitq_wake(waiting);
}

static void run(struct job *job)
{
	struct row *row = container_of(job, struct row, job);
	struct tree *t = row->t;
	struct ask ask = {.deadline = UINT64_MAX, .waiter = &row->lane};
	_cleanup_free_ struct kv_change *changes = NULL;
	struct err err = {0};
	int r;

	pthread_mutex_lock(&t->lock);
	r = commit_begin_locked(t, row->d, &ask);
	if (r == 0)
		changes = take_locked(row);
	pthread_mutex_unlock(&t->lock);
	if (r == PARKED)
		return; /* the lane's waiter has it run again */
	r = remove_taken(row, changes, &err);
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
	struct row *row = row_of(d);

	if (row->count == 0)
		return 0;
	if (!opens && (!ask->asker || row->process == process_of(ask->asker)))
		return 0;
	return removal_settle_locked(t, d, ask);
}

int removal_settle_locked(struct tree *t, struct dir *d, const struct ask *ask)
{
	struct row *row = row_of(d);

	if (!row || row->count == 0)
		return 0;
	start_locked(row);
	return waitq_park_locked(&row->waiting, ask);
}

int removal_failure_locked(struct dir *d, struct err *err)
{
	struct row *row = row_of(d);
	int code = row ? row->failure.code : 0;

	if (!code)
		return 0;
	err_set(err, code, "fields could not be removed: %s", err_text(&row->failure));
	row->failure = (struct err){0};
	return -code;
}

static struct row *row_get_locked(struct tree *t, struct dir *d)
{
	struct row *row = row_of(d);

	if (row)
		return row;
	row = calloc(1, sizeof(*row));
	if (!row)
		return NULL;
	row->removals = (struct removals){admit_locked, row_has, row_free};
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
	const struct row *row = row_of(d);

	if (t->config.unlink_grace)
		return true;
	return row && rq->caller->pid && clock_mono() < row->until &&
	       row->process == process_of(rq->caller->pid);
}

static bool removes_all_locked(const struct dir *d, const struct request *rq)
{
	return rq->caller->pid && clock_mono() < d->lister.until &&
	       d->lister.process == process_of(rq->caller->pid);
}

static bool is_required(const struct tree *t, const struct field *f)
{
	return rule_requires(&t->config.rules, dir_of(f->node.parent)->path, f->raw, f->raw_len);
}

bool removal_joins_locked(struct tree *t, const struct field *f, const struct request *rq)
{
	const struct dir *d = dir_of(f->node.parent);

	for (const struct armed *a = d->armed; a; a = a->next)
		if (a->uid == rq->caller->uid)
			return false; /* a number is armed for the very next change */
	return in_row_locked(t, d, rq) || (is_required(t, f) && removes_all_locked(d, rq));
}

int removal_check_locked(struct tree *t, const struct field *f, const struct kv_version *base,
			 const struct request *rq)
{
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

void removal_begin_locked(struct tree *t, struct dir *d, const struct request *rq)
{
	struct row *row = row_get_locked(t, d);

	if (!row || row->count)
		return;
	row->process = process_of(rq->caller->pid);
	row->caller = *rq->caller;
	row->until = clock_mono() + ROW_TIME;
	row->failure = (struct err){0};
}

int removal_add_locked(struct tree *t, struct field *f, const struct request *rq)
{
	struct dir *d = field_dir(f);
	struct row *row = row_get_locked(t, d);
	uint64_t quiet = QUIET_TIME;
	struct removed name;

	if (!row)
		return err_set(rq->err, ENOMEM, "no memory");
	if (row->count == 0 && (t->config.unlink_grace || !in_row_locked(t, d, rq)))
		removal_begin_locked(t, d, rq);
	if (row->count == row->room) {
		size_t room = row->room ? row->room * 2 : 16;
		struct removed *names = realloc(row->names, room * sizeof(*names));

		if (!names)
			return err_set(rq->err, ENOMEM, "no memory");
		row->names = names;
		row->room = room;
	}
	name = (struct removed){malloc(f->raw_len + 1), f->raw_len};
	if (!name.raw)
		return err_set(rq->err, ENOMEM, "no memory");
	memcpy(name.raw, f->raw, f->raw_len);
	row->names[row->count++] = name;
	node_detach_locked(&f->node);
	if (t->config.unlink_grace > quiet)
		quiet = t->config.unlink_grace;
	if (!timer_arm(t->config.timers, &row->timer, clock_mono() + quiet))
		node_use_locked(&d->node);
	return 0;
}

bool removal_revoke_locked(struct tree *t, struct dir *d, const char *raw, size_t raw_len,
			   const struct request *rq)
{
	struct row *row = row_of(d);

	if (!row || !t->config.unlink_grace || row->process != process_of(rq->caller->pid))
		return false;
	for (size_t i = row->taken; i < row->count; i++) {
		if (row->names[i].len == raw_len && !memcmp(row->names[i].raw, raw, raw_len)) {
			drop_names(row, i, 1);
			return true;
		}
	}
	return false;
}

static void end_locked(struct tree *t, struct node *n)
{
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
		pthread_cond_wait(&t->drained, &t->lock);
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
	pthread_mutex_lock(&t->lock);
	if (r == 0) {
		node_detach_locked(&f->node);
		removal_begin_locked(t, c.dir, rq);
	}
	pthread_mutex_unlock(&t->lock);
	commit_end(t, c.dir);
	return r;
}
