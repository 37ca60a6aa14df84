// SPDX-License-Identifier: Apache-2.0
/* Health checks of servers that do not serve, so that no request has to find out.
 *
 * Each server under observation has a job in a small pool of its own: requests that wait for a
 * hanging server must not keep anybody from checking it. The job asks sys/health
 *
 *      once a second       while its breaker is open, and no other server serves in its place
 *      every 15 s or so    while another does
 *      every 3 s or so     the current one of several, while it is in use: a server that was cut off from
 *                          the others answers reads as if nothing were wrong; and then the others too
 *      every 10 s or so    the others, while the current one says that it leads: a server that was
 *                          stopped, or cut off, may still say so when another leads already
 *
 * and ends when there is nothing to check. A good check lets only one request through, as a probe:
 * the check alone is no reason to let all of them through. */

#include "vault/servers_parts.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>

#define SPARE_TIME   (15 * NS_PER_SEC) /* while another serves */
#define CURRENT_TIME (3 * NS_PER_SEC)
#define OTHER_TIME   (10 * NS_PER_SEC)
#define PATIENCE_MIN NS_PER_SEC /* for the answer to a check */
#define PATIENCE_MAX (4 * NS_PER_SEC)
#define LOOK_HOLDS   NS_PER_SEC

static bool is_open(const struct server *server, int kind)
{
	return breaker_state(&server->breakers[kind]) != BREAKER_GO;
}

bool servers_behind_locked(const struct servers *s, const struct server *server)
{
	LOCK_HELD(&s->lock);
	const struct health_look *health = &server->health;

	if (health->leaderless)
		return true;
	for (size_t i = 0; health->leads_since && i < s->count; i++)
		if (s->list[i].health.leads_since > health->leads_since)
			return true;
	return false;
}

/* Whether no other server serves in its place. */
static bool is_needed_locked(const struct servers *s, const struct server *server, int kind)
{
	LOCK_HELD(&s->lock);

	for (size_t i = 0; i < s->count; i++)
		if (&s->list[i] != server && !is_open(&s->list[i], kind) &&
		    !servers_behind_locked(s, &s->list[i]))
			return false;
	return true;
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return !a || (b && b < a) ? b : a;
}

/* When the next check is due (clock_mono()); 0: there is nothing to check. */
static uint64_t due_locked(const struct servers *s, const struct server *server)
{
	LOCK_HELD(&s->lock);
	const struct server *current = &s->list[s->current];
	uint64_t due = 0;

	for (int kind = 0; kind < KINDS; kind++) {
		uint64_t at = breaker_look(&server->breakers[kind]);
		uint64_t spare = server->looked_at + SPARE_TIME;

		if (at && at < spare && !is_needed_locked(s, server, kind))
			at = spare;
		due = sooner(due, at);
	}
	if (s->count == 1 || is_open(server, READS) || current->asked_at <= server->looked_at)
		return due;
	if (server == current || servers_behind_locked(s, current))
		due = sooner(due, server->looked_at + CURRENT_TIME);
	else if (current->health.leads_since) /* another may say so too */
		due = sooner(due, server->looked_at + OTHER_TIME);
	return due;
}

bool servers_pending_locked(struct servers *s, int kind, uint64_t soon)
{
	LOCK_HELD(&s->lock);

	for (size_t i = 0; i < s->count; i++) {
		const struct server *server = &s->list[i];
		uint64_t due = server->looked_after ? due_locked(s, server) : 0;

		if (server->looking || breaker_state(&server->breakers[kind]) == BREAKER_WAIT ||
		    (due && due <= soon))
			return true;
	}
	return false;
}

bool servers_move_locked(struct servers *s, const struct server *server)
{
	LOCK_HELD(&s->lock);
	const char *before = s->list[s->current].address;

	if (server == &s->list[s->current])
		return false;
	s->current = (size_t)(server - s->list);
	s->return_at = clock_mono() + clock_jitter(SPARE_TIME);
	log_info("another server is asked now", F_STR("server", server->address),
		 F_STR("before", before));
	return true;
}

static void hope_locked(struct server *server)
{
	LOCK_HELD(&server->servers->lock);

	breaker_hope(&server->breakers[READS]);
	if (servers_behind_locked(server->servers, server))
		breaker_worse(&server->breakers[CHANGES], clock_mono());
	else
		breaker_hope(&server->breakers[CHANGES]);
}

/* Records the result of a check. */
static void take_in_locked(struct servers *s, struct server *server, int r,
			   const struct health_look *health, const struct err *why)
{
	LOCK_HELD(&s->lock);
	const struct server *current = &s->list[s->current];

	server->looked = r;
	server->health = r == 0 ? *health : (struct health_look){0};
	/* A gateway that always hid sys/health says nothing; one that hides it only now does. */
	if (r == 0 && (!health->foreign || !server->told)) {
		server->told |= !health->foreign;
		hope_locked(server);
	} else {
		if (r < 0 && r != -EINTR)
			server->why = *why;
		for (int kind = 0; kind < KINDS; kind++)
			breaker_worse(&server->breakers[kind], clock_mono());
	}
	if (r == 0 && !health->foreign && !is_open(server, READS) &&
	    servers_behind_locked(s, current) && !servers_behind_locked(s, server))
		servers_move_locked(s, server);
}

static uint64_t patience_locked(const struct server *server)
{
	LOCK_HELD(&server->servers->lock);
	uint64_t patience = 4 * server->latency;

	if (patience < PATIENCE_MIN)
		return PATIENCE_MIN;
	return patience < PATIENCE_MAX ? patience : PATIENCE_MAX;
}

/* Checks without the lock, which is held before and after. */
static int look_locked(struct servers *s, struct server *server, struct limit limit,
		       struct err *why)
{
	LOCK_HELD(&s->lock);
	struct health_look health = {0};
	uint64_t begun = clock_mono();
	int r;

	server->looking = true;
	server->looked_at = begun;
	lock_release(&s->lock);
	r = health_check(s->http, server->address, s->count > 1, limit, &health, why);
	lock_acquire(&s->lock);
	server->looking = false;
	take_in_locked(s, server, r, &health, why);
	cond_broadcast(&s->changed);
	return r;
}

static void look_after(struct job *job)
{
	struct server *server = container_of(job, struct server, job);
	struct servers *s = server->servers;
	uint64_t due;

	lock_acquire(&s->lock);
	while (!s->stopping && (due = due_locked(s, server))) {
		uint64_t now = clock_mono();
		struct limit limit = {.deadline = now + patience_locked(server),
				      .cancel = &server->stop};
		struct err why = {0};

		if (server->looking) /* a request is checking it */
			cond_wait(&s->changed, &s->lock);
		else if (now < due)
			cond_wait_until(&s->changed, &s->lock, due);
		else
			look_locked(s, server, limit, &why);
	}
	server->looked_after = false;
	lock_release(&s->lock);
}

static bool begin_locked(struct servers *s, struct server *server)
{
	LOCK_HELD(&s->lock);

	if (s->stopping || server->looked_after || !due_locked(s, server))
		return false;
	if (!s->lookers)
		s->lookers = pool_new(s->count, NULL);
	server->looked_after = s->lookers != NULL;
	/* No thread can check it: requests have to find out. */
	if (!s->lookers)
		hope_locked(server);
	return server->looked_after;
}

void servers_look_after(struct servers *s, struct server *server)
{
	bool others, begins;

	lock_acquire(&s->lock);
	others = servers_behind_locked(s, &s->list[s->current]) ||
		 s->list[s->current].health.leads_since;
	begins = begin_locked(s, server);
	if (begins) {
		server->job.run = look_after;
		pool_submit(s->lookers, &server->job);
	}
	for (size_t i = 0; others && i < s->count; i++) {
		if (begin_locked(s, &s->list[i])) {
			s->list[i].job.run = look_after;
			pool_submit(s->lookers, &s->list[i].job);
		}
	}
	lock_release(&s->lock);
}

int servers_look(struct servers *s, struct server *server, struct limit limit, struct err *err)
{
	LOCK_SCOPE(&s->lock);
	struct err why = {0};
	int r;

	while (server->looking)
		if (!cond_wait_until(&s->changed, &s->lock, limit.deadline))
			return err_set(err, ETIMEDOUT, "no answer in time from %s",
				       server->address);
	if (!server->looked_at || clock_mono() > server->looked_at + LOOK_HOLDS)
		r = look_locked(s, server, limit, &why);
	else
		r = server->looked;
	if (r < 0 && err)
		*err = why.code ? why : server->why;
	return r;
}

void servers_stop_looking(struct servers *s)
{
	lock_acquire(&s->lock);
	s->stopping = true;
	cond_broadcast(&s->changed);
	lock_release(&s->lock);
	for (size_t i = 0; i < s->count; i++)
		cancel_fire(&s->list[i].stop);
	pool_free(s->lookers);
}
