// SPDX-License-Identifier: Apache-2.0
/* The life of a token.
 *
 *                 login                renewed, in time
 *      (start) ----------> ALIVE <--------------------------.
 *                          |  |  \__ timer, 2/3 of the life _|   renewal unreachable: back off,
 *                          |  |                                   the token lives on
 *      the server says     |  |  its end comes near and it
 *      that it is dead     |  |  cannot be renewed further
 *                          v  v
 *                        login anew ----> ALIVE, with the new token
 *                            |
 *                            | refused, or nothing to log in with
 *                            v
 *                          DEAD  --- after a pause, when somebody asks ---> login anew
 *
 * A network failure never discards a token: only the server can say that it is dead. Logins are
 * made one at a time, and after a failure not before a pause that doubles (pace.h); meanwhile
 * requests get the last error. */

#include "auth/session.h"

#include "auth/kept_token.h"
#include "auth/pace.h"
#include "auth/renewal.h"
#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/metric.h"
#include "host/stamp.h"

#include <errno.h>

#define WATCH_PAUSE	(2 * NS_PER_SEC)
#define LOGIN_PAUSE_MAX (300 * NS_PER_SEC)
#define PERSIST_PAUSE	(4 * NS_PER_SEC) /* burdens nobody */

struct session {
	struct session_config config;
	struct timer timer, watch_timer, persist_timer;
	struct job job, watch_job, persist_job;
	const char *watched;	/* NULL: watch no file */
	struct stamp seen;	/* of that file; only the watching job uses it */
	struct kept_token kept; /* take its lock before the session's */
	struct lock lock;	/* guards all below */
	struct cond changed;
	struct secret *token; /* NULL: DEAD, for the reason in `why` */
	bool persisting;      /* there was no token yet: the server has not answered */
	struct renewal renewal;
	struct err why;
	bool logging_in, ticking, watching, stop;
	bool renewing;	   /* one thread renews; others wait for `changed` */
	bool looking;	   /* one thread asks whether a refused token lives; others wait */
	uint64_t alive_at; /* clock_mono() at which the question was asked that found it alive */
	uint64_t demanded; /* clock_mono() at which the last renewal on demand began */
	uint64_t logins;
	struct pace pace; /* of logins */
};

static struct limit own_limit(const struct session *s)
{
	return (struct limit){.deadline = clock_mono() + s->config.timeout};
}

/* Waits while another thread is busy with it. False if it still is at the deadline. */
static bool wait_locked(struct session *s, const bool *busy, uint64_t deadline)
{
	while (*busy)
		if (!cond_wait_until(&s->changed, &s->lock, deadline))
			return !*busy;
	return true;
}

static void on_timer(struct timer *t)
{
	struct session *s = container_of(t, struct session, timer);
	LOCK_SCOPE(&s->lock);

	/* The step under way plans the next one when it ends. */
	if (s->stop || s->ticking)
		return;
	s->ticking = true;
	pool_submit_urgent(s->config.pool, &s->job);
}

static void schedule_locked(struct session *s)
{
	if (!s->stop)
		timer_arm(s->config.timers, &s->timer, s->renewal.next);
}

static void adopt_locked(struct session *s, struct secret *token, const struct token_info *info)
{
	LOCK_HELD(&s->lock);
	secret_put(s->token);
	s->token = token;
	s->why = (struct err){0};
	pace_had(&s->pace, clock_mono(), info->uses > 0);
	renewal_begin(&s->renewal, info);
	metric_set(METRIC_TOKEN_EXPIRES, s->renewal.expires);
	schedule_locked(s);
}

/* After a login. Data read under another token are not the new one's to see: `replaced` is called,
 * without the lock, before any waiter goes on. The very first token replaces none. */
static void take_over_locked(struct session *s, struct secret *token, const struct token_info *info)
{
	bool other = !secret_equal(s->token, token) && (s->token || s->logins || s->persisting);

	adopt_locked(s, token, info);
	s->logins++;
	if (!other)
		return;
	lock_release(&s->lock);
	s->config.replaced(s->config.arg);
	lock_acquire(&s->lock);
}

/* Whether a login may return the same token again: no; only with a longer life; yes. */
enum same { SAME_IS_NONE, SAME_IF_LONGER, SAME_IS_FINE };

/* Tries to get a token other than `old`; one thread at a time. Called and left with the lock held,
 * released in between. Afterwards there is a new token, or `err` says why not. */
static int login_locked(struct session *s, const struct secret *old, enum same same,
			struct err *err)
{
	LOCK_HELD(&s->lock);
	_cleanup_secret_ struct secret *token = NULL;
	struct token_info info;
	struct err why = {0};
	bool quiet;
	int r;

	s->logging_in = true;
	lock_release(&s->lock);
	r = s->config.method->login(s->config.vault, s->config.auth, own_limit(s), &token, &info,
				    &why);
	metric_count(METRIC_LOGINS, r == 0);
	lock_acquire(&s->lock);
	if (r == 0 && same != SAME_IS_FINE && token->len && secret_equal(token, old) &&
	    (same == SAME_IS_NONE || !renewal_is_longer(&s->renewal, &info)))
		r = err_set(&why, EKEYEXPIRED, "there is no new token to take the old one's place");
	if (r == 0)
		take_over_locked(s, steal(token), &info);
	s->logging_in = false;
	cond_broadcast(&s->changed);
	if (r == 0) {
		log_info("logged in", F_STR("method", s->config.method->name),
			 F_INT("ttl", info.ttl / NS_PER_SEC));
		return 0;
	}
	/* Log quietly if there never was a server, or we are stopping; a refusal loudly. */
	quiet = r == -EINTR || (s->persisting && reply_is_outage(-r));
	pace_failed(&s->pace, clock_mono(), quiet ? PERSIST_PAUSE : LOGIN_PAUSE_MAX);
	log_at(quiet ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARNING, "login failed",
	       F_STR("method", s->config.method->name), F_ERR(&why));
	if (err)
		*err = why;
	return r;
}

static void save(struct session *s)
{
	_cleanup_secret_ struct secret *token = NULL;
	uint64_t until;

	if (!s->config.cache)
		return;
	LOCK_SCOPE(&s->kept.lock);
	lock_acquire(&s->lock);
	token = secret_ref(s->token);
	until = s->renewal.expires;
	lock_release(&s->lock);
	kept_token_save_locked(&s->kept, token, until);
}

static int take_cached(struct session *s, struct err *err)
{
	struct token_info info;
	struct secret *token;
	int r = kept_token_take(&s->kept, s->config.vault, own_limit(s), &token, &info, err);
	LOCK_SCOPE(&s->lock);

	if (r == 0)
		adopt_locked(s, token, &info);
	return r;
}

/* Replaces a dead token, unless new ones die at once: then `quiet` is set from the second on. */
static int login_anew_locked(struct session *s, const struct secret *dead, bool *quiet,
			     struct err *err)
{
	if (!s->token || pace_died(&s->pace, clock_mono(), LOGIN_PAUSE_MAX))
		return login_locked(s, dead, SAME_IS_NONE, err);
	*quiet = s->pace.stillborn > PACE_STILLBORN_MAX;
	return err_set(err, EKEYREJECTED, "each new token is refused (token_bound_cidrs?)");
}

/* The server says that `token` is dead. 0 if there is another by now. */
static int replace(struct session *s, const struct secret *token, struct limit limit,
		   struct err *err)
{
	bool died = false, quiet = false;
	struct err why = {0};
	int r = 0;

	lock_acquire(&s->lock);
	if (!wait_locked(s, &s->logging_in, limit.deadline)) {
		r = err_set(&why, ETIMEDOUT, "another login takes too long");
	} else if (!s->token && clock_mono() < s->pace.after) {
		why = s->why;
		r = -s->why.code;
	} else if (!s->token || secret_equal(s->token, token)) {
		r = login_anew_locked(s, token, &quiet, &why);
		if (r < 0) {
			died = s->token != NULL;
			secret_put(steal(s->token));
			s->why = why;
			s->why.code = -r;
		}
	}
	lock_release(&s->lock);
	save(s);
	if (died) {
		log_at(quiet ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARNING, "the token is dead",
		       F_ERR(&why));
		s->config.dead(s->config.arg);
	}
	if (r < 0 && err)
		*err = why;
	return r;
}

static int session_get(void *arg, struct limit limit, struct secret **out, struct err *err)
{
	struct session *s = arg;
	int r = 0;

	lock_acquire(&s->lock);
	*out = secret_ref(s->token);
	if (!*out && s->persisting)
		r = -s->why.code;
	if (r < 0 && err)
		*err = s->why;
	lock_release(&s->lock);
	if (*out || r < 0)
		return r;
	r = replace(s, NULL, limit, err);
	if (r < 0)
		return r;
	lock_acquire(&s->lock);
	*out = secret_ref(s->token);
	lock_release(&s->lock);
	return *out ? 0 : err_set(err, EKEYEXPIRED, "the token has expired");
}

/* Whether to ask the server about a token that it may have refused: 1. 0: the token is no longer
 * ours. -EACCES: another thread has since found it alive, or takes too long. */
static int begin_look(struct session *s, const struct secret *token, uint64_t deadline)
{
	uint64_t asked = clock_mono();
	LOCK_SCOPE(&s->lock);

	if (!wait_locked(s, &s->looking, deadline))
		return -EACCES;
	if (!s->token || !secret_equal(s->token, token))
		return 0;
	if (s->alive_at > asked)
		return -EACCES;
	s->looking = true;
	return 1;
}

/* `alive_at`: when the question was asked that found it alive; else 0. */
static void end_look(struct session *s, uint64_t alive_at)
{
	LOCK_SCOPE(&s->lock);

	s->alive_at = alive_at;
	s->looking = false;
	cond_broadcast(&s->changed);
}

static int session_rejected(void *arg, const struct secret *token, bool certain, struct limit limit,
			    struct err *err)
{
	struct session *s = arg;
	struct token_info info;
	uint64_t begun;
	bool lives;
	int r = certain ? 0 : begin_look(s, token, limit.deadline);

	if (r < 0)
		return r;
	if (r == 0)
		return replace(s, token, limit, err);
	/* Only a lookup can distinguish a dead token from a policy's refusal. If it fails, the
	 * refusal stands as it is. Many requests are refused at once: one of them asks. */
	begun = clock_mono();
	r = token_lookup(s->config.vault, token, limit, &info, NULL);
	lives = r == 0 || r == -EACCES;
	r = r == -EKEYEXPIRED ? replace(s, token, limit, err) : -EACCES;
	end_look(s, lives ? begun : 0);
	return r;
}

struct vault_tokens session_tokens(struct session *s)
{
	return (struct vault_tokens){.get = session_get, .rejected = session_rejected, .arg = s};
}

static void end_renewing_locked(struct session *s)
{
	s->renewing = false;
	cond_broadcast(&s->changed);
}

/* Whether the step that the timer asked for is still due: then this thread renews. */
static bool begin_step(struct session *s, struct secret **token, struct renewal *renewal)
{
	LOCK_SCOPE(&s->lock);

	if (s->renewing || s->renewal.next > clock_mono()) {
		s->ticking = false;
		if (s->token && !s->renewing)
			schedule_locked(s);
		return false;
	}
	s->renewing = true;
	*token = secret_ref(s->token);
	*renewal = s->renewal;
	return true;
}

/* The timer's step: renew, log in anew, or find out that the token is dead. */
static void tick(struct job *job)
{
	struct session *s = container_of(job, struct session, job);
	_cleanup_secret_ struct secret *token = NULL;
	enum renewal_verdict verdict;
	struct renewal renewal;

	if (!begin_step(s, &token, &renewal))
		return;
	verdict = token ? renewal_step(&renewal, s->config.vault, token, own_limit(s))
			: RENEWAL_LATER;
	if (verdict == RENEWAL_DEAD)
		replace(s, token, own_limit(s), NULL);
	lock_acquire(&s->lock);
	/* It still lives: retry after a failure, unless there simply is no other token. */
	if (verdict == RENEWAL_REPLACE && !s->stop && !s->logging_in &&
	    secret_equal(s->token, token)) {
		int r = login_locked(s, token, SAME_IF_LONGER, NULL);

		if (r < 0)
			verdict = RENEWAL_LATER;
		if (r < 0 && r != -EKEYEXPIRED && s->pace.after < renewal.next)
			renewal.next = s->pace.after;
	}
	if (verdict == RENEWAL_LATER && s->token && secret_equal(s->token, token)) {
		s->renewal = renewal;
		metric_set(METRIC_TOKEN_EXPIRES, renewal.expires);
	}
	s->ticking = false;
	end_renewing_locked(s);
	if (s->token)
		schedule_locked(s);
	lock_release(&s->lock);
	save(s);
}

int session_renew(struct session *s, uint64_t asked, struct limit limit, struct err *err)
{
	_cleanup_secret_ struct secret *token = NULL;
	uint64_t begun;
	struct renewal renewal;
	bool done = false;
	int r = session_get(s, limit, &token, err);

	if (r < 0)
		return r;
	lock_acquire(&s->lock);
	if (!wait_locked(s, &s->renewing, limit.deadline)) {
		r = -ETIMEDOUT;
	} else { /* it is ours to do, unless somebody did it while we waited */
		done = s->demanded > asked;
		s->renewing = !done;
	}
	secret_put(token);
	token = secret_ref(s->token);
	renewal = s->renewal;
	lock_release(&s->lock);
	if (r < 0)
		return err_set(err, ETIMEDOUT, "another renewal takes too long");
	if (done)
		return 0;
	begun = clock_mono();
	r = token ? renewal_demand(&renewal, s->config.vault, token, limit, err) : -EKEYEXPIRED;
	lock_acquire(&s->lock);
	if (r == 0 && secret_equal(s->token, token)) {
		s->renewal = renewal;
		s->demanded = begun;
	}
	end_renewing_locked(s);
	if (s->token) /* a step that fell due meanwhile was left to us */
		schedule_locked(s);
	lock_release(&s->lock);
	if (r == -EKEYEXPIRED)
		return replace(s, token, limit, err);
	save(s);
	return r;
}

void session_tell(struct session *s, struct session_told *out)
{
	LOCK_SCOPE(&s->lock);
	const struct renewal *r = &s->renewal;
	uint64_t now = clock_mono();

	*out = (struct session_told){.method = s->config.method->name,
				     .alive = s->token != NULL,
				     .renewable = r->renewable,
				     .ttl = r->expires > now ? r->expires - now : 0,
				     .logins = s->logins,
				     .renewals = r->count,
				     .last_renewal = r->last};
}

static void persist(struct job *job)
{
	struct session *s = container_of(job, struct session, persist_job);
	struct err why = {0};
	bool arrived;
	int r = take_cached(s, &why);

	lock_acquire(&s->lock);
	wait_locked(s, &s->logging_in, INT64_MAX);
	if (r == -ENOENT && !s->token && !s->stop)
		r = login_locked(s, NULL, SAME_IS_NONE, &why);
	else if (r < 0)
		pace_failed(&s->pace, clock_mono(), PERSIST_PAUSE);
	why.code = -r;
	if (r < 0 && !s->token)
		s->why = why;
	arrived = s->token != NULL;
	s->persisting = !arrived;
	if (!arrived && !s->stop)
		timer_arm(s->config.timers, &s->persist_timer, s->pace.after);
	lock_release(&s->lock);
	save(s);
	if (arrived)
		s->config.arrived(s->config.arg);
}

static void on_persist(struct timer *t)
{
	struct session *s = container_of(t, struct session, persist_timer);
	LOCK_SCOPE(&s->lock);

	if (!s->stop)
		pool_submit_urgent(s->config.pool, &s->persist_job);
}

/* Obtains the token anew; whether it is another one now. */
static bool look_again(struct session *s)
{
	_cleanup_secret_ struct secret *old = NULL;

	LOCK_SCOPE(&s->lock);
	wait_locked(s, &s->logging_in, INT64_MAX);
	old = secret_ref(s->token);
	return !s->stop && login_locked(s, old, SAME_IS_FINE, NULL) == 0 &&
	       !secret_equal(s->token, old);
}

static void watch_again_locked(struct session *s)
{
	s->watching = false;
	if (!s->stop)
		timer_arm(s->config.timers, &s->watch_timer, clock_mono() + WATCH_PAUSE);
}

static void watch(struct job *job)
{
	struct session *s = container_of(job, struct session, watch_job);

	if (stamp_changed(s->watched, &s->seen) && look_again(s))
		log_info("there is another token in the file", F_STR("file", s->watched));
	LOCK_SCOPE(&s->lock);
	watch_again_locked(s);
}

static void on_watch(struct timer *t)
{
	struct session *s = container_of(t, struct session, watch_timer);
	LOCK_SCOPE(&s->lock);

	if (s->stop || s->watching)
		return;
	s->watching = true;
	pool_submit(s->config.pool, &s->watch_job);
}

struct session *session_new(const struct session_config *config, struct err *err)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s) {
		err_set(err, ENOMEM, "no memory for a session");
		return NULL;
	}
	s->config = *config;
	s->timer.fire = on_timer;
	s->job.run = tick;
	s->persist_timer.fire = on_persist;
	s->persist_job.run = persist;
	s->watch_timer.fire = on_watch;
	s->watch_job.run = watch;
	s->watched = config->method->watched ? config->method->watched(config->auth) : NULL;
	kept_token_init(&s->kept, config->cache);
	lock_init(&s->lock, LOCK_SESSION);
	cond_init(&s->changed);
	return s;
}

int session_start(struct session *s, struct err *err)
{
	int r;

	/* Before reading it, so that a change in between is noticed. */
	if (s->watched)
		stamp_changed(s->watched, &s->seen);
	r = take_cached(s, err);
	if (r == -ENOENT) {
		lock_acquire(&s->lock);
		r = login_locked(s, NULL, SAME_IS_NONE, err);
		lock_release(&s->lock);
	}
	save(s);
	if (r == 0 && s->watched) {
		LOCK_SCOPE(&s->lock);

		watch_again_locked(s);
	}
	return r;
}

void session_persist(struct session *s, const struct err *why)
{
	LOCK_SCOPE(&s->lock);

	s->persisting = true;
	s->why = *why;
	timer_arm(s->config.timers, &s->persist_timer, clock_mono() + NS_PER_SEC);
	if (s->watched)
		watch_again_locked(s);
}

void session_reload(struct session *s)
{
	if (s->config.method->borrowed)
		look_again(s);
}

void session_stop(struct session *s)
{
	if (!s)
		return;
	lock_acquire(&s->lock);
	s->stop = true;
	lock_release(&s->lock);
	timer_disarm(s->config.timers, &s->timer);
	timer_disarm(s->config.timers, &s->watch_timer);
	timer_disarm(s->config.timers, &s->persist_timer);
}

void session_revoke(struct session *s)
{
	struct err err = {0};

	if (!s || !s->token || s->config.method->borrowed)
		return;
	if (s->config.cache)
		token_cache_remove(s->config.cache);
	if (token_revoke(s->config.vault, s->token, own_limit(s), &err) < 0)
		log_warning("the token was not revoked", F_ERR(&err));
	else
		log_info("token revoked");
}

void session_free(struct session *s)
{
	if (!s)
		return;
	secret_put(s->token);
	cond_fini(&s->changed);
	kept_token_fini(&s->kept);
	lock_fini(&s->lock);
	free(s);
}
