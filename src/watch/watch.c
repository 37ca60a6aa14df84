// SPDX-License-Identifier: Apache-2.0
/* Rounds.
 *
 *      due:  a   b c       d  e        f     a   ...
 *      |--- round ---|--- round ---|--- round ---|
 *
 * Each folder and secret that counts has a time at which it is due, so that nothing is looked at later
 * than an interval after it was looked at or came into use. What counts is what is open, what was asked
 * for within the ttl, and what the kernel still holds for somebody (tree_probe). A round is a part of the
 * interval, and looks at what is due in it, the longest due first; its requests are spread over its
 * time, so that a server sees a stream and no bursts. It takes no more of them than half of what the
 * mount may make in that time: the rest is for who waits. What is in use by one user
 * alone, who is not the mount's, gets a share of that. Where nothing counts, nothing is asked.
 *
 * One that fails does not hold up the others. A server that does not serve ends the round. */

#include "watch/watch.h"

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "event/feed.h"
#include "node/notice.h"
#include "vault/client.h"
#include "watch/hooked.h"
#include "watch/hooks.h"
#include "watch/poll.h"

#include <errno.h>
#include <string.h>
#include <utlist.h>

#define TICK	       (20 * NS_PER_MS)
#define JOBS_MAX       8
#define UNBOUNDED_RATE 1000 /* where readers have no bound: we have one */
#define OUTAGE	       4    /* looks are so much rarer while the server does not answer */
#define ROUNDS	       16   /* in an interval */
#define GATHER_SHARE   20   /* a round takes so many times as long as to find out what is due */
#define SHARE	       16   /* of a user who is not the mount's: that part of our requests */
#define SHARES_MAX     32   /* users who are told apart; more have one share together */

struct target {
	struct dir *dir; /* with a use */
	bool folder;
	uint64_t due;
};

struct round {
	struct target *targets;
	size_t count, room;
};

/* Requests that a user still has in this round. */
struct share {
	uid_t uid;
	double left;
};

struct watch {
	struct watch_config config;
	struct poll poll;
	struct timer timer;
	struct lock lock; /* guards all below; never taken with the tree's */
	struct cond idle; /* no job is left */
	struct round now;
	size_t next; /* in it */
	uint64_t begun, spacing, planned;
	unsigned jobs, job_max;
	bool failed, stopping;
	uint64_t late; /* by the tree's lock: how long ago what was looked at last was before */
	struct round coming;	 /* this and all below: the timer's alone */
	size_t secrets, folders; /* that count, due or not */
	uint64_t length, told_at;
	struct share shares[SHARES_MAX];
	size_t share_count;
	bool all; /* somebody reads .vault/events: all that is known counts */
};

struct look {
	struct job job;
	struct watch *watch;
};

static void add_target(struct watch *w, struct dir *d, bool folder, uint64_t due)
{
	struct round *r = &w->coming;

	if (r->count == r->room) {
		size_t room = r->room ? r->room * 2 : 64;
		struct target *targets = realloc(r->targets, room * sizeof(*targets));

		if (!targets)
			return;
		r->targets = targets;
		r->room = room;
	}
	node_use_locked(&d->node);
	r->targets[r->count++] = (struct target){d, folder, due};
}

/* One that counts. It is a target if it is due in the round that begins. */
static void consider(struct watch *w, struct dir *d, bool folder, uint64_t until)
{
	uint64_t *due = folder ? &d->watch.folder_due : &d->watch.due;

	if (!*due)
		*due = poll_next(w->config.tree, folder ? POLL_FOLDER : POLL_SECRET);
	if (folder)
		w->folders++;
	else
		w->secrets++;
	if (*due <= until)
		add_target(w, d, folder, *due);
}

static bool is_recent(const struct tree *t, uint64_t used, uint64_t now)
{
	uint64_t ttl = t->config.ttl, every = t->watching.interval;

	return used && now < used + (ttl > every ? ttl : every);
}

static bool kernel_holds(struct dir *d)
{
	struct node *child, *next;

	if (d->node.lookups)
		return true;
	HASH_ITER (hh, d->node.children, child, next)
		if (!node_is_dir(child) && child->lookups)
			return true;
	return false;
}

static bool is_idle(const struct tree *t, const struct dir *d, uint64_t now)
{
	return !d->shown.handles && !is_recent(t, d->watch.used, now) &&
	       !is_recent(t, d->watch.listed, now);
}

static struct notice *probe_locked(struct notice *n, struct dir *parent, struct dir *d)
{
	struct notice_item *item;

	if (!n)
		n = notice_new_locked(&parent->node, HASH_COUNT(parent->node.children));
	item = n ? notice_add_locked(n, &d->node, d->node.name, false) : NULL;
	if (item)
		item->act = NOTICE_PROBE;
	return n;
}

/* Finds out which of the directories in `parent`, of which nobody has asked anything for long, the
 * kernel holds for somebody. */
static void judge_idle_locked(struct tree *t, struct dir *parent, uint64_t now)
{
	struct notice *n = NULL;
	struct node *child, *next;

	if (is_recent(t, parent->watch.listed, now))
		return;
	HASH_ITER (hh, parent->node.children, child, next) {
		struct dir *d = dir_of(child);
		struct dir_watch *w = &d->watch;

		if (!node_is_dir(child) || child->local || child->coming || child->leaving ||
		    !is_idle(t, d, now))
			continue;
		if (w->probed && w->probed > w->used && w->probed > w->listed) {
			w->held = kernel_holds(d);
		} else if (kernel_holds(d)) {
			w->probed = now;
			n = probe_locked(n, parent, d);
		}
	}
	if (!n)
		return;
	shown_noticed(&parent->shown, false);
	t->config.changed(t->config.arg, n);
}

/* Secrets that hooks are for count as long as we know of them: the kernel may forget them meanwhile. */
static bool is_hooked(struct watch *w, struct dir *d)
{
	if (!w->config.hooks)
		return false;
	if (!d->watch.judged) {
		d->watch.judged = true;
		d->watch.hooked = hooks_want(w->config.hooks, w->config.label, d->path);
		if (d->watch.hooked)
			node_use_locked(&d->node); /* given back when the tree ends */
	}
	return d->watch.hooked;
}

/* What counts in a directory and below it. */
static void gather_locked(struct watch *w, struct dir *d, uint64_t now, uint64_t until)
{
	struct tree *t = w->config.tree;
	bool held = d->watch.held || is_hooked(w, d);
	struct node *child, *next;

	if (dir_may_be_folder(d) &&
	    (held || (d->watch.listed && w->all) || is_recent(t, d->watch.listed, now)))
		consider(w, d, true, until);
	if (!d->changing && dir_may_be_secret(d) &&
	    (held || (d->outline && w->all) ||
	     (d->outline && (d->shown.handles || is_recent(t, d->watch.used, now)))))
		consider(w, d, false, until);
	judge_idle_locked(t, d, now);
	HASH_ITER (hh, d->node.children, child, next)
		if (node_is_dir(child))
			gather_locked(w, dir_of(child), now, until);
}

static unsigned rate_of(const struct watch *w)
{
	return w->config.rate ? w->config.rate : UNBOUNDED_RATE;
}

static int compare_due(const void *a, const void *b)
{
	const struct target *x = a, *y = b;

	return (x->due > y->due) - (x->due < y->due);
}

/* Requests that may be made in so long; one at least. */
static size_t room_in(const struct watch *w, uint64_t length)
{
	size_t room = (size_t)(length * rate_of(w) / (2 * NS_PER_SEC));

	return room ? room : 1;
}

static struct share *share_of(struct watch *w, uid_t uid)
{
	for (size_t i = 0; i < w->share_count; i++)
		if (w->shares[i].uid == uid)
			return &w->shares[i];
	if (w->share_count == SHARES_MAX)
		return &w->shares[SHARES_MAX - 1];
	w->shares[w->share_count] = (struct share){uid, 0};
	return &w->shares[w->share_count++];
}

/* What has passed since the last round adds to each share, up to a second's worth. */
static void fill_shares(struct watch *w, uint64_t passed)
{
	double second = (double)rate_of(w) / 2 / SHARE;
	size_t kept = 0;

	second = second < 1 ? 1 : second;
	for (size_t i = 0; i < w->share_count; i++) {
		struct share *s = &w->shares[i];

		s->left += second * (double)passed / NS_PER_SEC;
		if (s->left < second) /* a full one is as good as none */
			w->shares[kept++] = *s;
	}
	w->share_count = kept;
}

/* Whether the user for whom alone it is looked at has a request left. */
static bool may_look(struct watch *w, const struct dir *d, uint64_t now)
{
	double second = (double)rate_of(w) / 2 / SHARE;
	size_t before = w->share_count;
	struct share *s;

	if (d->watch.hooked || !d->watch.uid || is_recent(w->config.tree, d->watch.ours, now))
		return true;
	s = share_of(w, d->watch.uid);
	if (w->share_count > before)
		s->left = second < 1 ? 1 : second;
	if (s->left < 1)
		return false;
	s->left--;
	return true;
}

/* What is not looked at stays due. */
static void share_locked(struct watch *w, uint64_t now, size_t most)
{
	struct round *r = &w->coming;
	size_t kept = 0;

	for (size_t i = 0; i < r->count; i++)
		if (kept < most && may_look(w, r->targets[i].dir, now))
			r->targets[kept++] = r->targets[i];
		else
			node_unuse_locked(w->config.tree, &r->targets[i].dir->node);
	r->count = kept;
}

static void gather(struct watch *w, uint64_t length)
{
	struct tree *t = w->config.tree;
	LOCK_SCOPE(&t->lock);
	uint64_t now = clock_mono();

	w->all = feed_is_read(t->config.feed);
	w->coming.count = w->folders = w->secrets = 0;
	gather_locked(w, dir_of(t->root), now, now + length);
	if (w->coming.count)
		qsort(w->coming.targets, w->coming.count, sizeof(struct target), compare_due);
	share_locked(w, now, room_in(w, length));
	t->watching.folders = w->folders;
	t->watching.secrets = w->secrets;
}

/* The interval as it is: the longest of late. */
static void tell_pace(struct watch *w, uint64_t now)
{
	struct tree *t = w->config.tree;
	LOCK_SCOPE(&t->lock);

	if (now < w->told_at + w->config.interval && w->late <= t->watching.every)
		return;
	t->watching.every = w->late > w->config.interval ? w->late : w->config.interval;
	w->told_at = now;
	w->late = 0;
}

/* Ends the round: what nobody has taken stays due. */
static void drop_targets(struct watch *w)
{
	struct tree *t = w->config.tree;
	size_t from, to;

	lock_acquire(&w->lock);
	from = w->next;
	to = w->now.count;
	w->next = w->now.count = 0;
	lock_release(&w->lock);
	lock_acquire(&t->lock);
	while (from < to)
		node_unuse_locked(t, &w->now.targets[from++].dir->node);
	lock_release(&t->lock);
}

/* The next that is due. Its use is the caller's. */
static bool take(struct watch *w, struct target *out)
{
	LOCK_SCOPE(&w->lock);

	if (w->stopping || w->failed || w->next >= w->now.count ||
	    clock_mono() < w->begun + w->next * w->spacing)
		return false;
	*out = w->now.targets[w->next++];
	return true;
}

/* Sets when it is due next. False where that has been done: its folder has told of it. */
static bool begin_look(struct watch *w, const struct target *target)
{
	struct tree *t = w->config.tree;
	struct dir_watch *d = &target->dir->watch;
	LOCK_SCOPE(&t->lock);
	uint64_t *due = target->folder ? &d->folder_due : &d->due;
	uint64_t now = clock_mono(), wait = now - target->due + w->config.interval;

	if (*due != target->due)
		return false;
	*due = poll_next(t, target->folder ? POLL_FOLDER : POLL_SECRET);
	/* A tenth is no delay worth telling of. */
	if (now > target->due + w->config.interval / 10 && wait > w->late)
		w->late = wait;
	return true;
}

/* A failure of one says nothing of the others, unless it is the server's. */
static void looked(struct watch *w, int r)
{
	LOCK_SCOPE(&w->lock);

	if ((reply_is_outage(-r) && w->config.vault && !vault_serves(w->config.vault)) ||
	    r == -EKEYEXPIRED || r == -EKEYREJECTED)
		w->failed = true;
}

static void end_look(struct watch *w, const struct target *target)
{
	LOCK_SCOPE(&w->config.tree->lock);

	node_unuse_locked(w->config.tree, &target->dir->node);
}

static void run_look(struct job *job)
{
	struct look *look = container_of(job, struct look, job);
	struct watch *w = look->watch;
	struct target target;

	while (take(w, &target)) {
		if (begin_look(w, &target))
			looked(w, target.folder ? poll_folder(&w->poll, target.dir)
						: poll_secret(&w->poll, target.dir));
		end_look(w, &target);
	}
	free(look);
	lock_acquire(&w->lock);
	if (--w->jobs == 0)
		cond_broadcast(&w->idle);
	lock_release(&w->lock);
}

static void start_jobs_locked(struct watch *w, uint64_t now)
{
	size_t due = w->spacing ? (size_t)((now - w->begun) / w->spacing) + 1 : w->now.count;

	if (due > w->now.count)
		due = w->now.count;
	for (size_t n = w->next; n < due && w->jobs < w->job_max; n++) {
		struct look *look = calloc(1, sizeof(*look));

		if (!look)
			return;
		*look = (struct look){.job.run = run_look, .watch = w};
		w->jobs++;
		pool_submit(w->config.pool, &look->job);
	}
}

/* Jobs of the rounds before may still be at work, and go on with this one. */
static void swap_rounds(struct watch *w, uint64_t now, uint64_t planned)
{
	LOCK_SCOPE(&w->lock);
	struct round before = w->now;

	w->now = w->coming;
	w->coming = before;
	w->next = 0;
	w->begun = now;
	w->failed = false;
	w->planned = planned;
	w->spacing = w->now.count ? planned / w->now.count : 0;
}

/* `passed`: since the last one began. */
static void begin_round(struct watch *w, uint64_t now, uint64_t passed)
{
	uint64_t length = w->config.interval / ROUNDS, room, took;

	length = length > TICK ? length : TICK;
	w->length = w->length > length ? w->length : length;
	fill_shares(w, passed);
	/* What the last one has overrun is made good, but not a whole outage. */
	room = passed < 2 * w->length ? passed : 2 * w->length;
	gather(w, room > length ? room : length);
	took = clock_mono() - now;
	/* Many nodes take long to go through, and nobody else can use the tree then. */
	w->length = took * GATHER_SHARE > length ? took * GATHER_SHARE : length;
	swap_rounds(w, now, w->length);
	tell_pace(w, now);
}

static void arm(struct watch *w, uint64_t at)
{
	timer_arm(w->config.timers, &w->timer, at);
}

/* Starts what is due of the round. False where nothing is left of it: the next one does not wait for
 * looks that take long. */
static bool go_on(struct watch *w, uint64_t now)
{
	LOCK_SCOPE(&w->lock);

	if (w->next >= w->now.count || w->failed)
		return false;
	if (!w->stopping && !w->failed)
		start_jobs_locked(w, now);
	return true;
}

/* After one that the server's failure has ended, the next begins later. */
static void end_outage(struct watch *w)
{
	LOCK_SCOPE(&w->lock);

	if (w->failed)
		w->planned = w->config.interval * OUTAGE;
	w->failed = false;
}

static void on_timer(struct timer *timer)
{
	struct watch *w = container_of(timer, struct watch, timer);
	uint64_t now = clock_mono(), took = now - w->begun;

	if (go_on(w, now)) {
		arm(w, now + TICK);
		return;
	}
	drop_targets(w);
	end_outage(w);
	if (took < w->planned) {
		arm(w, w->begun + w->planned);
		return;
	}
	begin_round(w, now, took);
	arm(w, w->now.count ? now : now + w->planned);
}

struct watch *watch_new(const struct watch_config *config, struct err *err)
{
	struct watch *w = calloc(1, sizeof(*w));

	if (!w) {
		err_set(err, ENOMEM, "no memory for watching");
		return NULL;
	}
	w->config = *config;
	w->poll = (struct poll){.tree = config->tree,
				.timeout = config->timeout,
				.hooks = config->hooks,
				.label = config->label};
	w->job_max = config->parallel / 2 < JOBS_MAX ? config->parallel / 2 : JOBS_MAX;
	if (!w->job_max)
		w->job_max = 1;
	lock_init(&w->lock, LOCK_WATCH);
	cond_init(&w->idle);
	w->timer.fire = on_timer;
	config->tree->watching.interval = config->interval;
	config->tree->watching.every = config->interval;
	w->planned = config->interval / ROUNDS;
	w->begun = clock_mono();
	if (config->hooks)
		hooked_hold(config->tree, config->hooks, config->label);
	if (config->interval)
		arm(w, w->begun + config->interval / ROUNDS);
	return w;
}

void watch_stop(struct watch *w)
{
	if (!w)
		return;
	timer_disarm(w->config.timers, &w->timer);
	lock_acquire(&w->lock);
	w->stopping = true;
	while (w->jobs > 0)
		cond_wait(&w->idle, &w->lock);
	lock_release(&w->lock);
	timer_disarm(w->config.timers, &w->timer);
	drop_targets(w);
}

void watch_free(struct watch *w)
{
	if (!w)
		return;
	free(w->now.targets);
	free(w->coming.targets);
	cond_fini(&w->idle);
	lock_fini(&w->lock);
	free(w);
}
