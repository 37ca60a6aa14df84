// SPDX-License-Identifier: Apache-2.0
/* Rounds.
 *
 *      due:  a   b c       d  e        f     a   ...
 *      |--- round ---|--- round ---|--- round ---|
 *
 * Each folder and secret that counts has a time at which it is due, so that nothing is looked at later
 * than an interval after it was looked at or came into use. tree/watched.c says what counts, and compares
 * what is found with what is shown: here nobody takes the tree's lock. A round is a part of the
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

/* Requests that a user still has in this round. */
struct share {
	uid_t uid;
	double left;
};

struct watch {
	struct watch_config config;
	struct poll poll;
	struct watched_hooks hooks;
	struct timer timer;
	struct lock lock; /* guards all below; never taken with the tree's */
	struct cond idle; /* no job is left */
	struct watched_round now;
	size_t next; /* in it */
	uint64_t begun, spacing, planned;
	unsigned jobs, job_max;
	bool failed, stopping;
	uint64_t late; /* how long ago what was looked at last was looked at before: the longest */
	struct watched_round coming; /* this and all below: the timer's alone */
	uint64_t length, told_at, every;
	struct share shares[SHARES_MAX];
	size_t share_count;
};

struct look {
	struct job job;
	struct watch *watch;
};

static unsigned rate_of(const struct watch *w)
{
	return w->config.rate ? w->config.rate : UNBOUNDED_RATE;
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
static bool may_look(struct watch *w, const struct watched *target)
{
	double second = (double)rate_of(w) / 2 / SHARE;
	size_t before = w->share_count;
	struct share *s;

	if (!target->user)
		return true;
	s = share_of(w, target->user);
	if (w->share_count > before)
		s->left = second < 1 ? 1 : second;
	if (s->left < 1)
		return false;
	s->left--;
	return true;
}

/* Leaves the round's targets that may be looked at, at most so many. What is not looked at stays due. */
static void share_out(struct watch *w, size_t most)
{
	struct watched_round *r = &w->coming;
	size_t kept = 0;

	for (size_t i = 0; i < r->count; i++) {
		struct watched target = r->targets[i];

		if (kept == most || !may_look(w, &target))
			continue;
		r->targets[i] = r->targets[kept];
		r->targets[kept++] = target;
	}
	watched_drop(w->config.tree, r->targets + kept, r->count - kept);
	r->count = kept;
}

static void gather(struct watch *w, uint64_t length)
{
	watched_gather(w->config.tree, &w->hooks, clock_mono() + length, &w->coming);
	share_out(w, room_in(w, length));
}

/* The interval as it is, where that is to be told: the longest of late. 0: not now. */
static uint64_t take_pace(struct watch *w, uint64_t now)
{
	LOCK_SCOPE(&w->lock);

	if (now < w->told_at + w->config.interval && w->late <= w->every)
		return 0;
	w->every = w->late > w->config.interval ? w->late : w->config.interval;
	w->told_at = now;
	w->late = 0;
	return w->every;
}

static void tell_pace(struct watch *w, uint64_t now)
{
	uint64_t every = take_pace(w, now);

	if (every)
		watched_set_pace(w->config.tree, every);
}

/* Ends the round: what nobody has taken stays due. */
static void drop_targets(struct watch *w)
{
	size_t from, to;

	lock_acquire(&w->lock);
	from = w->next;
	to = w->now.count;
	w->next = w->now.count = 0;
	lock_release(&w->lock);
	if (from < to)
		watched_drop(w->config.tree, w->now.targets + from, to - from);
}

/* The next that is due. Its use is the caller's. */
static bool take(struct watch *w, struct watched *out)
{
	LOCK_SCOPE(&w->lock);

	if (w->stopping || w->failed || w->next >= w->now.count ||
	    clock_mono() < w->begun + w->next * w->spacing)
		return false;
	*out = w->now.targets[w->next++];
	return true;
}

/* How late that one is. */
static void count_late(struct watch *w, const struct watched *target)
{
	LOCK_SCOPE(&w->lock);
	uint64_t now = clock_mono(), wait = now - target->due + w->config.interval;

	/* A tenth is no delay worth telling of. */
	if (now > target->due + w->config.interval / 10 && wait > w->late)
		w->late = wait;
}

/* A failure of one says nothing of the others, unless it is the server's. */
static void looked(struct watch *w, int r)
{
	LOCK_SCOPE(&w->lock);

	if ((reply_is_outage(-r) && w->config.vault && !vault_serves(w->config.vault)) ||
	    r == -EKEYEXPIRED || r == -EKEYREJECTED)
		w->failed = true;
}

static void run_look(struct job *job)
{
	struct look *look = container_of(job, struct look, job);
	struct watch *w = look->watch;
	struct watched target;

	while (take(w, &target)) {
		if (watched_begin(w->config.tree, &target)) {
			count_late(w, &target);
			looked(w, poll_look(&w->poll, &target));
		}
		watched_drop(w->config.tree, &target, 1);
	}
	free(look);
	lock_acquire(&w->lock);
	if (--w->jobs == 0)
		cond_broadcast(&w->idle);
	lock_release(&w->lock);
}

static void start_jobs_locked(struct watch *w, uint64_t now)
{
	LOCK_HELD(&w->lock);
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
	struct watched_round before = w->now;

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

/* For watched_hooks. */
static bool want(const void *arg, const char *path)
{
	const struct watch_config *c = arg;

	return hooks_want(c->hooks, c->label, path);
}

struct watch *watch_new(const struct watch_config *config, struct err *err)
{
	struct watch *w = calloc(1, sizeof(*w));

	if (!w) {
		err_set(err, ENOMEM, "no memory for watching");
		return NULL;
	}
	w->config = *config;
	if (config->hooks)
		w->hooks = (struct watched_hooks){want, &w->config};
	w->poll = (struct poll){.tree = config->tree,
				.kv = watched_kv(config->tree),
				.timeout = config->timeout,
				.hooks = &w->hooks};
	w->job_max = config->parallel / 2 < JOBS_MAX ? config->parallel / 2 : JOBS_MAX;
	if (!w->job_max)
		w->job_max = 1;
	lock_init(&w->lock, LOCK_WATCH);
	cond_init(&w->idle);
	w->timer.fire = on_timer;
	w->every = config->interval;
	watched_start(config->tree, config->interval);
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
