// SPDX-License-Identifier: Apache-2.0
/* The life of a request that cannot be answered at once.
 *
 *      QUEUED, for the pool -----> RUNNING ------------------------> DONE, answered
 *         |    ^                    |    ^         0 or -errno
 *         |    |     PARKED, from   |    |
 *         |    |     its run        v    | ready(): what it waits for has come
 *         |    '------------------ PARKED
 *         |      (calls that       |
 *         |       need the pool)   |
 *         v                        v
 *        DONE, answered: by a signal, at its deadline, or at the unmount
 *
 * Whoever turns the state answers; it is turned under one lock. A call that is answered while it is
 * queued or parked stays where it is, and is freed when its turn comes. A signal that finds it RUNNING
 * fires its cancel, which ends a wait for the network unless a change was sent already.
 *
 * libfuse calls on_interrupt() with the request's own lock held, and fuse_req_interrupt_func() takes
 * that lock: so our lock is never held across it, and a call is not freed before it has returned. */

#include "fs/internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "node/node.h"
#include "node/node_type.h"
#include "base/secmem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

#define SCAN_INTERVAL (100 * NS_PER_MS)
#define WAITING_MAX   4096 /* calls at once, where several users have them */
#define ELSEWHERE     (-1) /* who asks from a pid namespace that we do not see into */

static void free_call(struct call *c)
{
	quota_move_of(&c->fs->calls.waiting, c->caller.uid, c->charged, 0);
	if (c->held)
		tree_forget(c->fs->tree, c->held, 1);
	cancel_fini(&c->cancel);
	free((char *)c->name);
	free((char *)c->name2);
	free(c);
}

static void put(struct call *c)
{
	struct calls *calls = &c->fs->calls;
	bool last;

	lock_acquire(&calls->lock);
	last = --c->refs == 0;
	lock_release(&calls->lock);
	if (!last)
		return;
	free_call(c);
	/* After that all of it may go, the tree too. */
	lock_acquire(&calls->lock);
	if (--calls->running == 0)
		cond_broadcast(&calls->none);
	lock_release(&calls->lock);
}

static void unlist_locked(struct call *c)
{
	LOCK_HELD(&c->fs->calls.lock);

	if (c->listed)
		DL_DELETE(c->fs->calls.list, c);
	c->listed = false;
}

/* What a person would want to know, and what only a developer would. */
static enum log_level level_of(const struct call *c, int r)
{
	switch (-r) {
	case ENOENT: /* of what was written, it is no question whether something is there */
		return c->handle && c->op->pool ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG;
	case ESTALE:
	case ENODATA:
	case EOPNOTSUPP:
	case EINTR:
	case EEXIST:
	case ENOTEMPTY:
	case EXDEV:
		return LOG_LEVEL_DEBUG;
	case EACCES:
	case EPERM:
	case EROFS:
	case EINVAL:
	case EILSEQ:
	case ENAMETOOLONG:
		return LOG_LEVEL_INFO;
	default: /* of reads, the fetch that failed has been told of once for all who wait for it */
		return c->op->pool ? LOG_LEVEL_WARNING : LOG_LEVEL_DEBUG;
	}
}

static void log_failure(const struct call *c, int r)
{
	enum log_level level = level_of(c, r);
	_cleanup_free_ char *path = NULL;
	struct err err = c->err;

	if (!log_enabled(level) && level == LOG_LEVEL_DEBUG)
		return;
	path = c->node ? tree_path(c->fs->tree, c->node) : NULL;
	if (err.code != -r) /* the sentence is of something that was tried on the way */
		err = (struct err){.code = -r};
	if (level != LOG_LEVEL_DEBUG)
		tree_failed(c->fs->tree, c->caller.uid, c->node, c->name, c->node2, &err);
	log_at(level, "request failed", F_STR("op", c->op->name), F_STR("path", path),
	       F_STR("name", c->name), F_INT("uid", c->caller.uid), F_INT("pid", c->caller.pid),
	       F_ERR(&err), F_INT("us", (clock_mono() - c->begun) / 1000));
}

static void answer(struct call *c, int r)
{
	metric_fuse(c->op->name, r == 0 && c->op->names && !c->view.node ? ENOENT : -r);
	if (r < 0)
		log_failure(c, r);
	if (!c->req)
		return;
	if (r == 0)
		c->op->reply(c);
	else
		/* The kernel repeats ESTALE and chokes on what is no errno. */
		fuse_reply_err(c->req,
			       -r > 0 && -r < 512 && (-r != ESTALE || c->op->stale) ? -r : EIO);
}

/* Answers a call that is DONE by now; the caller has a reference, and gives it up. */
static void answer_heap(struct call *c, int r)
{
	if (c->req)
		fuse_req_interrupt_func(c->req, NULL, NULL);
	answer(c, r);
	put(c);
}

static int give_up_reason(const struct call *c)
{
	return c->fs->calls.stopping ? -ECONNABORTED : -EINTR;
}

/* Runs it until it is answered or parked. Its state is RUNNING, and this thread's. */
static void run(struct call *c)
{
	struct calls *calls = &c->fs->calls;

	for (;;) {
		int r = c->op->run(c);

		lock_acquire(&calls->lock);
		if (r != PARKED) {
			c->state = CALL_DONE;
			unlist_locked(c);
			lock_release(&calls->lock);
			answer_heap(c, r);
			return;
		}
		if (c->woken) {
			c->woken = false;
			lock_release(&calls->lock);
			continue;
		}
		if (c->interrupted || (calls->stopping && c->req)) {
			c->state = CALL_DONE;
			unlist_locked(c);
			c->refs++; /* the queue keeps the other */
			r = give_up_reason(c);
			lock_release(&calls->lock);
			answer_heap(c, r);
			return;
		}
		c->state = CALL_PARKED;
		lock_release(&calls->lock);
		return; /* it may be gone by now */
	}
}

static void run_in_pool(struct job *job)
{
	struct call *c = container_of(job, struct call, job);
	bool answered;

	lock_acquire(&c->fs->calls.lock);
	answered = c->state == CALL_DONE;
	if (!answered)
		c->state = CALL_RUNNING;
	lock_release(&c->fs->calls.lock);
	if (answered)
		put(c);
	else
		run(c);
}

static void ready(struct waiter *w)
{
	struct call *c = container_of(w, struct call, waiter);
	struct calls *calls = &c->fs->calls;

	lock_acquire(&calls->lock);
	if (c->state == CALL_RUNNING) {
		c->woken = true;
		lock_release(&calls->lock);
		return;
	}
	if (c->state == CALL_DONE) {
		lock_release(&calls->lock);
		put(c);
		return;
	}
	c->state = c->op->pool ? CALL_QUEUED : CALL_RUNNING;
	lock_release(&calls->lock);
	if (c->op->pool)
		pool_submit(c->fs->config.pool, &c->job);
	else
		run(c);
}

/* Takes a call that waits away from who would run it. Not one without a request: what it has to do
 * must be done. */
static bool claim_locked(struct call *c)
{
	LOCK_HELD(&c->fs->calls.lock);

	if (!c->req || (c->state != CALL_PARKED && c->state != CALL_QUEUED))
		return false;
	c->state = CALL_DONE;
	unlist_locked(c);
	c->refs++; /* the queue keeps the other */
	return true;
}

static void on_interrupt(fuse_req_t req, void *arg)
{
	struct call *c = arg;
	struct calls *calls = &c->fs->calls;
	bool claimed;

	if (c->op->interrupted && !c->op->interrupted(c))
		return;
	lock_acquire(&calls->lock);
	claimed = claim_locked(c);
	if (!claimed && c->state == CALL_RUNNING)
		c->interrupted = true;
	lock_release(&calls->lock);
	if (!claimed) {
		cancel_fire(&c->cancel);
		return;
	}
	answer(c, -EINTR);
	put(c);
}

/* Answers the parked calls for which that is due. True where some are left. */
static bool sweep(struct fs *fs, uint64_t now)
{
	struct calls *calls = &fs->calls;

	for (;;) {
		struct call *c, *due = NULL;
		bool left;

		lock_acquire(&calls->lock);
		DL_FOREACH (calls->list, c) {
			if ((calls->stopping || now >= c->ask.deadline) && claim_locked(c)) {
				due = c;
				break;
			}
		}
		left = calls->list != NULL;
		lock_release(&calls->lock);
		if (!due)
			return left;
		err_set(&due->err, ETIMEDOUT, "no answer from the server in time");
		answer_heap(due, calls->stopping ? -ECONNABORTED : -ETIMEDOUT);
	}
}

static void keep_sweeping(struct fs *fs)
{
	if (!atomic_exchange(&fs->calls.sweeping, true))
		timer_arm(fs->config.timers, &fs->calls.timer, clock_mono() + SCAN_INTERVAL);
}

static void on_timer(struct timer *timer)
{
	struct calls *calls = container_of(timer, struct calls, timer);
	struct fs *fs = container_of(calls, struct fs, calls);

	/* It goes on while there are calls, and is started anew by the first that comes after. */
	atomic_store(&calls->sweeping, false);
	if (sweep(fs, clock_mono()))
		keep_sweeping(fs);
}

static struct call *to_heap(const struct call *from)
{
	struct call *c = malloc(sizeof(*c));

	if (!c)
		return NULL;
	*c = *from;
	c->name = from->name ? strdup(from->name) : NULL;
	c->name2 = from->name2 ? strdup(from->name2) : NULL;
	if ((from->name && !c->name) || (from->name2 && !c->name2)) {
		free((char *)c->name);
		free((char *)c->name2);
		free(c);
		return NULL;
	}
	cancel_init(&c->cancel);
	c->waiter.ready = ready;
	c->ask.waiter = &c->waiter;
	c->job.run = run_in_pool;
	c->job.uid = from->caller.uid;
	c->refs = 1;
	c->state = CALL_RUNNING;
	return c;
}

static void fail(const struct call *from, int r)
{
	struct call failed = *from;

	answer(&failed, r);
	if (failed.held)
		tree_forget(failed.fs->tree, failed.held, 1);
}

/* Whether one more of that user may wait. What a handle has to commit always may: there are no more of
 * these than open files. */
static bool charge(struct call *c)
{
	if (!c->req || (c->op->pool && c->handle))
		return true;
	c->charged = quota_move_of(&c->fs->calls.waiting, c->caller.uid, 0, 1);
	return c->charged;
}

static void go_on(const struct call *from)
{
	struct calls *calls = &from->fs->calls;
	struct call charged = *from, *c;

	if (!charge(&charged)) {
		err_set(&charged.err, EAGAIN, "too many calls of this user are waiting");
		fail(&charged, -EAGAIN);
		return;
	}
	c = to_heap(&charged);
	if (!c) {
		quota_move_of(&calls->waiting, from->caller.uid, charged.charged, 0);
		fail(from, -ENOMEM);
		return;
	}
	lock_acquire(&calls->lock);
	DL_APPEND(calls->list, c);
	c->listed = true;
	calls->running++;
	lock_release(&calls->lock);
	keep_sweeping(c->fs);
	/* Not before that may others answer it, and so free the request. */
	if (c->req)
		fuse_req_interrupt_func(c->req, on_interrupt, c);
	if (!c->op->pool) {
		run(c);
		return;
	}
	lock_acquire(&calls->lock);
	c->state = CALL_QUEUED;
	lock_release(&calls->lock);
	pool_submit(from->fs->config.pool, &c->job);
}

void call_start(const struct call *from)
{
	struct call c = *from;
	int r;

	if (!c.op->pool) {
		r = c.op->run(&c);
		/* The helper must not wait: we wait for it. */
		if (r == PARKED && fs_is_own(c.fs, c.caller.pid))
			r = -EAGAIN;
		if (r != PARKED) {
			answer(&c, r);
			secmem_clear_registers();
			return;
		}
	}
	go_on(from);
}

struct call call_init(struct fs *fs, fuse_req_t req, const struct op *op)
{
	const struct fuse_ctx *ctx = req ? fuse_req_ctx(req) : NULL;
	uint64_t now = clock_mono();
	struct call c = {.fs = fs, .req = req, .op = op, .begun = now};

	if (ctx) {
		c.caller = (struct caller){.uid = ctx->uid, .gid = ctx->gid, .pid = ctx->pid};
		c.ask.uid = ctx->uid;
		c.ask.gid = ctx->gid;
	}
	c.ask.asked = now;
	/* The helper sees what is there, and sets nothing off. */
	c.ask.asker = fs_is_own(fs, c.caller.pid) ? 0 : c.caller.pid ? c.caller.pid : ELSEWHERE;
	c.ask.deadline = now + fs->config.timeout;
	return c;
}

struct request call_request(struct call *c)
{
	return (struct request){
		.caller = &c->caller,
		.ask = &c->ask,
		.limit = {.deadline = c->ask.deadline, .cancel = &c->cancel, .uid = c->caller.uid},
		.err = &c->err};
}

void calls_init(struct fs *fs)
{
	bool shared = fs->config.allow_other;

	quota_init(&fs->calls.waiting, shared ? WAITING_MAX : SIZE_MAX, shared);
	lock_init(&fs->calls.lock, LOCK_CALLS);
	cond_init(&fs->calls.none);
	fs->calls.timer.fire = on_timer;
}

void calls_fini(struct fs *fs)
{
	timer_disarm(fs->config.timers, &fs->calls.timer);
	cond_fini(&fs->calls.none);
	lock_fini(&fs->calls.lock);
	quota_fini(&fs->calls.waiting);
}

void calls_stop(struct fs *fs)
{
	lock_acquire(&fs->calls.lock);
	fs->calls.stopping = true;
	lock_release(&fs->calls.lock);
	sweep(fs, 0);
}

void calls_wait(struct fs *fs)
{
	struct calls *calls = &fs->calls;
	LOCK_SCOPE(&calls->lock);

	while (calls->running > 0)
		cond_wait(&calls->none, &calls->lock);
}

fuse_ino_t call_ino(const struct fs *fs, const struct node *n)
{
	return n == tree_root(fs->tree) ? FUSE_ROOT_ID : (fuse_ino_t)(uintptr_t)n;
}

struct node *call_node(struct fs *fs, fuse_ino_t ino)
{
	return ino == FUSE_ROOT_ID ? tree_root(fs->tree) : (struct node *)(uintptr_t)ino;
}

double call_seconds(uint64_t ns)
{
	return (double)ns / (double)NS_PER_SEC;
}

/* The kernel moves a name's entry along in a rename, its time included. A scratch file that is renamed
 * over a field goes, and the name would lead to it, empty, until that time is over: so it has none. */
struct fuse_entry_param call_entry(const struct call *c)
{
	const struct view *v = &c->view;
	bool forgets = v->node && v->node->type->transient;

	return (struct fuse_entry_param){.ino = v->node ? call_ino(c->fs, v->node) : 0,
					 .attr = v->attr,
					 .attr_timeout = call_seconds(v->attr_ttl),
					 .entry_timeout = forgets ? 0 : call_seconds(v->entry_ttl)};
}
