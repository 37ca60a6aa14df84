// SPDX-License-Identifier: Apache-2.0
/* Rounds.
 *
 *      |-- round ------------------------------------|-- round ---- ...
 *      f f f s s s s s s s s s s s s s s s s s s s s   folders first, then secrets
 *
 * A round looks once at each folder and secret that counts: what is open, what was asked for within the
 * ttl, and what the kernel still holds for somebody (tree_probe). Its requests are spread over its time,
 * so that a server sees a stream and no bursts. A round takes the interval, or longer where so many
 * requests would take more than half of what the mount may make: the rest is for who waits. Where
 * nothing counts, nothing is asked. A server that does not answer ends the round. */

#include "watch/watch.h"

#include "base/clock.h"
#include "base/log.h"
#include "node/name.h"
#include "event/feed.h"
#include "vault/reply.h"
#include "watch/hooks.h"
#include "watch/poll.h"

#include <errno.h>
#include <string.h>
#include <utlist.h>

#define TICK	       (20 * NS_PER_MS)
#define JOBS_MAX       8
#define UNBOUNDED_RATE 1000 /* where readers have no bound: we have one */
#define OUTAGE	       4    /* rounds are so much rarer while the server does not answer */

struct target {
	struct dir *dir; /* with a use */
	bool folder;
};

struct watch {
	struct watch_config config;
	struct poll poll;
	struct timer timer;
	pthread_mutex_t lock; /* guards all below; never taken with the tree's */
	pthread_cond_t idle;  /* no job is left */
	struct target *targets;
	size_t count, room, next, folders;
	uint64_t begun, spacing, planned;
	uint64_t requests; /* that the last round took; 0: that is not known */
	uint64_t asked;	   /* targets that it had */
	unsigned jobs, job_max;
	unsigned at_folders; /* that are being looked at: secrets wait for what these tell */
	bool failed, stopping;
	bool all; /* somebody reads .vault/events: all that is known counts */
};

struct look {
	struct job job;
	struct watch *watch;
};

static void add_target(struct watch *w, struct dir *d, bool folder)
{
	if (w->count == w->room) {
		size_t room = w->room ? w->room * 2 : 64;
		struct target *targets = realloc(w->targets, room * sizeof(*targets));

		if (!targets)
			return;
		w->targets = targets;
		w->room = room;
	}
	node_use_locked(&d->node);
	w->targets[w->count++] = (struct target){d, folder};
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
	return !d->secret.handles && !is_recent(t, d->watch.used, now) &&
	       !is_recent(t, d->watch.listed, now);
}

static struct notice *probe_locked(struct notice *n, struct dir *parent, struct dir *d)
{
	struct notice_item *item;
	char *path = node_path_locked(&d->node);

	if (!n)
		n = calloc(1, sizeof(*n) + HASH_COUNT(parent->node.children) * sizeof(n->items[0]));
	if (!n || !path) {
		free(path);
		return n;
	}
	item = &n->items[n->count];
	*item = (struct notice_item){
		.name = strdup(d->node.name), .path = path, .act = NOTICE_PROBE};
	if (!item->name) {
		free(path);
		return n;
	}
	item->node = node_use_locked(&d->node);
	n->count++;
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
	n->dir = node_use_locked(&parent->node);
	parent->secret.notices++;
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

/* What counts in a directory and below it, folders or secrets. */
static void gather_locked(struct watch *w, struct dir *d, bool folders, uint64_t now)
{
	struct tree *t = w->config.tree;
	bool held = d->watch.held || is_hooked(w, d);
	struct node *child, *next;

	if (folders && dir_may_be_folder(d) &&
	    (held || (d->watch.listed && w->all) || is_recent(t, d->watch.listed, now)))
		add_target(w, d, true);
	if (!folders && !d->changing && dir_may_be_secret(d) &&
	    (held || (d->secret.outline && w->all) ||
	     (d->secret.outline && (d->secret.handles || is_recent(t, d->watch.used, now)))))
		add_target(w, d, false);
	if (folders)
		judge_idle_locked(t, d, now);
	HASH_ITER (hh, d->node.children, child, next)
		if (node_is_dir(child))
			gather_locked(w, dir_of(child), folders, now);
}

static void gather(struct watch *w)
{
	struct tree *t = w->config.tree;
	LOCK_SCOPE(&t->lock);
	uint64_t now = clock_mono();

	w->all = feed_is_read(t->config.feed);
	w->count = w->next = 0;
	gather_locked(w, dir_of(t->root), true, now);
	w->folders = w->count;
	gather_locked(w, dir_of(t->root), false, now);
	t->watching.folders = w->folders;
	t->watching.secrets = w->count - w->folders;
}

static void tell_pace(struct watch *w, uint64_t took)
{
	struct tree *t = w->config.tree;
	LOCK_SCOPE(&t->lock);

	t->watching.every = took > w->config.interval ? took : w->config.interval;
}

static void drop_targets(struct watch *w)
{
	struct tree *t = w->config.tree;
	LOCK_SCOPE(&t->lock);

	for (size_t i = 0; i < w->count; i++)
		node_unuse_locked(t, &w->targets[i].dir->node);
	w->count = w->next = 0;
}

/* The next that is due. */
static bool take(struct watch *w, struct target *out)
{
	LOCK_SCOPE(&w->lock);

	if (w->stopping || w->failed || w->next >= w->count ||
	    clock_mono() < w->begun + w->next * w->spacing ||
	    (w->next >= w->folders && w->at_folders))
		return false;
	*out = w->targets[w->next++];
	w->at_folders += out->folder;
	return true;
}

static void looked(struct watch *w, const struct target *target, int r)
{
	LOCK_SCOPE(&w->lock);

	w->at_folders -= target->folder;
	if (r == 0)
		return;
	if (reply_is_outage(-r) || r == -EKEYEXPIRED || r == -EKEYREJECTED)
		w->failed = true;
}

static void run_look(struct job *job)
{
	struct look *look = container_of(job, struct look, job);
	struct watch *w = look->watch;
	struct target target;

	while (take(w, &target)) {
		int r = target.folder ? poll_folder(&w->poll, target.dir)
				      : poll_secret(&w->poll, target.dir);

		looked(w, &target, r);
	}
	free(look);
	pthread_mutex_lock(&w->lock);
	if (--w->jobs == 0)
		pthread_cond_broadcast(&w->idle);
	pthread_mutex_unlock(&w->lock);
}

static void start_jobs_locked(struct watch *w, uint64_t now)
{
	size_t due = w->spacing ? (size_t)((now - w->begun) / w->spacing) + 1 : w->count;

	if (due > w->count)
		due = w->count;
	for (size_t n = w->next; n < due && w->jobs < w->job_max; n++) {
		struct look *look = calloc(1, sizeof(*look));

		if (!look)
			return;
		*look = (struct look){.job.run = run_look, .watch = w};
		w->jobs++;
		pool_submit(w->config.pool, &look->job);
	}
}

/* How long a round is to take. */
static uint64_t plan(const struct watch *w)
{
	/* Some servers tell of many secrets at once. */
	uint64_t requests = w->requests && w->asked ? w->requests * w->count / w->asked : w->count;
	uint64_t rate = w->config.rate ? w->config.rate : UNBOUNDED_RATE;
	uint64_t needed = requests * 2 * NS_PER_SEC / rate;

	return needed > w->config.interval ? needed : w->config.interval;
}

static void begin_round(struct watch *w, uint64_t now, uint64_t took)
{
	gather(w);
	w->begun = now;
	w->failed = false;
	w->poll.round = now;
	w->planned = plan(w);
	w->asked = w->count;
	w->spacing = w->count ? w->planned / w->count : 0;
	/* The last one may have taken longer than was planned: others make requests too. */
	tell_pace(w, took > w->planned + w->config.interval / 10 ? took : w->planned);
}

static void arm(struct watch *w, uint64_t at)
{
	timer_arm(w->config.timers, &w->timer, at);
}

/* Starts what is due of the round. False where there is nothing left of it, and nobody at work on it. */
static bool go_on(struct watch *w, uint64_t now)
{
	LOCK_SCOPE(&w->lock);

	if (w->jobs == 0 && (w->next >= w->count || w->failed))
		return false;
	if (!w->stopping && !w->failed)
		start_jobs_locked(w, now);
	return true;
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
	if (!w->failed && atomic_load(&w->poll.requests))
		w->requests = atomic_exchange(&w->poll.requests, 0);
	if (w->failed) {
		w->requests = 0;
		w->planned = w->config.interval * OUTAGE;
	}
	w->failed = false;
	if (took < w->planned) {
		arm(w, w->begun + w->planned);
		return;
	}
	begin_round(w, now, took);
	arm(w, w->count ? now : now + w->planned);
}

/* The directory of that path in the engine, which need not be there; NULL where it is outside of the
 * mount. With a use, for the life of the mount. */
static struct dir *hold_locked(struct tree *t, const char *path, size_t len)
{
	const char *prefix = t->config.prefix;
	size_t skip = strlen(prefix);
	struct dir *d = dir_of(t->root);

	if (len < skip || strncmp(path, prefix, skip) != 0 ||
	    (skip && len > skip && path[skip] != '/'))
		return NULL;
	for (const char *at = path + skip, *end = path + len; d && at < end;) {
		char component[NAME_BYTES_MAX + 1], name[NAME_BYTES_MAX + 1];
		size_t n = strcspn(at, "/");

		n = at + n > end ? (size_t)(end - at) : n;
		if (n && n <= NAME_BYTES_MAX) {
			memcpy(component, at, n);
			component[n] = '\0';
			d = name_escape(component, n, name) < 0
				    ? NULL
				    : dir_child_locked(t, &d->node, name, component);
		}
		at += n + 1;
	}
	return d;
}

/* What a hook is for is looked at from the start: its secret, or the folder in which they may be. */
static void hold_hooked(struct watch *w)
{
	struct tree *t = w->config.tree;
	LOCK_SCOPE(&t->lock);

	for (const struct on_change *h = w->config.hooks; h; h = h->next) {
		const char *path = h->pattern;
		size_t label = strlen(w->config.label), len;
		struct dir *d;

		if (!strncmp(path, w->config.label, label) && path[label] == '/')
			path += label + 1;
		len = strcspn(path, "*?[\\");
		while (path[len] && len && path[len - 1] != '/')
			len--;
		while (len && path[len - 1] == '/')
			len--;
		d = hold_locked(t, path, len);
		if (d)
			d->watch.hooked = d->watch.judged = true;
	}
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
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->idle, NULL);
	w->timer.fire = on_timer;
	config->tree->watching.interval = config->interval;
	config->tree->watching.every = config->interval;
	w->planned = config->interval;
	w->begun = clock_mono();
	if (config->hooks)
		hold_hooked(w);
	if (config->interval)
		arm(w, w->begun + config->interval);
	return w;
}

void watch_stop(struct watch *w)
{
	if (!w)
		return;
	timer_disarm(w->config.timers, &w->timer);
	pthread_mutex_lock(&w->lock);
	w->stopping = true;
	while (w->jobs > 0)
		pthread_cond_wait(&w->idle, &w->lock);
	pthread_mutex_unlock(&w->lock);
	timer_disarm(w->config.timers, &w->timer);
	drop_targets(w);
}

void watch_free(struct watch *w)
{
	if (!w)
		return;
	free(w->targets);
	pthread_cond_destroy(&w->idle);
	pthread_mutex_destroy(&w->lock);
	free(w);
}
