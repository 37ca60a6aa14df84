// SPDX-License-Identifier: Apache-2.0
/* Asks one of several servers, and spares those that fail.
 *
 *      choose    the current one; where its breaker is open the next, if it says that it is well; where
 *                all are open, nobody: the cause of it is the answer
 *      admit     the budget of failures, before that; and that of all requests, after it
 *      ask       with one redirect
 *      judge     whether that was the server at all
 *      settle    who is to blame: the path (budget), the server (breaker), nobody
 *      again?    at once with the next server; or after a pause; or not
 *
 * Reads and changes have a breaker each: a standby answers reads when there is no leader to take a
 * change. A request that insists is stopped by none. With several servers one failure is enough to go
 * on to the next; the only one there is gets a few chances. */

#include "vault/servers.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "http/breaker.h"
#include "http/budget.h"
#include "http/redirect.h"
#include "http/restraint.h"
#include "vault/health.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FAILURES_PER_SECOND 10
#define HEALTH_TIME	    (2 * NS_PER_SEC)  /* of a server that may be well again */
#define RETURN_TIME	    (15 * NS_PER_SEC) /* then an earlier one is tried again */
#define RETRY_AFTER_MAX	    (30 * NS_PER_SEC)
#define TIMEOUT_COUNTS	    (250 * NS_PER_MS) /* a shorter wait says nothing of the server */

enum { READS, CHANGES, KINDS };

struct server {
	const char *address;
	struct breaker breakers[KINDS];
	uint64_t good_at; /* clock_mono() of its last answer */
	struct err why;	  /* of the last failure that was its own */
};

struct servers {
	struct http *http;
	bool redirects;
	struct restraint restraint;
	char *text; /* of all addresses */
	size_t count;
	pthread_mutex_t lock; /* guards all below */
	size_t current;
	uint64_t return_at; /* clock_mono() */
	struct server list[];
};

/* A request on its way. */
struct asking {
	struct servers *s;
	const struct servers_ask *ask;
	struct limit limit;
	int kind;
	struct restraint_pass pass;
	size_t server;
	bool probe;	/* it finds out whether the server is back */
	bool spared;	/* by the end of the attempt the server was to be left alone */
	bool others;	/* there are servers that could be asked in its place */
	unsigned hops;	/* from server to server */
	uint64_t begun; /* of this attempt */
	enum reply_blame blame;
};

/* Cuts a list at its commas; `text` is changed. NULL at its end. */
static char *next_address(char **rest)
{
	char *address;

	do {
		address = strsep(rest, ",");
		if (address)
			address += strspn(address, " \t");
	} while (address && !*address);
	for (size_t n = address ? strlen(address) : 0; n && strchr("/ \t", address[n - 1]); n--)
		address[n - 1] = '\0';
	return address;
}

struct servers *servers_new(struct http *http, const char *addresses, bool redirects,
			    struct err *err)
{
	size_t room = 1;
	struct servers *s;
	char *rest;

	for (const char *p = addresses; *p; p++)
		room += *p == ',';
	s = calloc(1, sizeof(*s) + room * sizeof(s->list[0]));
	rest = s ? strdup(addresses) : NULL;
	if (!rest) {
		free(s);
		err_set(err, ENOMEM, "no memory for the server");
		return NULL;
	}
	s->http = http;
	s->redirects = redirects;
	s->text = rest;
	pthread_mutex_init(&s->lock, NULL);
	restraint_init(&s->restraint, FAILURES_PER_SECOND);
	for (char *a; (a = next_address(&rest));) {
		s->list[s->count++].address = a;
		if (http_check_address(a, err) < 0) {
			servers_free(s);
			return NULL;
		}
	}
	if (!s->count) {
		err_set(err, EINVAL, "no address of a server (VAULT_ADDR or addr=)");
		servers_free(s);
		return NULL;
	}
	return s;
}

void servers_free(struct servers *s)
{
	if (!s)
		return;
	restraint_fini(&s->restraint);
	pthread_mutex_destroy(&s->lock);
	free(s->text);
	free(s);
}

const char *servers_address(struct servers *s)
{
	LOCK_SCOPE(&s->lock);

	return s->list[s->current].address;
}

/* Both kinds fare alike where nobody answers; what is answered is about one of them. */
static bool fail_locked(struct asking *a, struct server *server, bool probe, bool of_both,
			uint64_t pause, const struct err *why)
{
	uint64_t now = clock_mono();
	/* Who was waited for in vain has had its chance. */
	bool at_once = a->s->count > 1 || why->code == ETIMEDOUT, opened;

	server->why = *why;
	opened = breaker_bad(&server->breakers[a->kind], now, probe, at_once, pause);
	if (of_both)
		breaker_bad(&server->breakers[!a->kind], now, false, at_once, pause);
	return opened;
}

/* Gives a probe back that came to nothing, if it is ours: else nobody would ever be let through. */
static void spare_probe(struct asking *a, struct server *server)
{
	LOCK_SCOPE(&a->s->lock);

	if (a->probe)
		breaker_spare(&server->breakers[a->kind]);
}

/* Whether the server at `i`, which is not the one that is asked now, or is not known to serve again,
 * says of itself that it does. */
static bool is_well(struct asking *a, size_t i)
{
	struct servers *s = a->s;
	struct server *server = &s->list[i];
	uint64_t now = clock_mono(), left = a->limit.deadline - now;
	struct limit limit = a->limit;
	struct err why = {0};
	int r;

	if (a->limit.deadline <= now) {
		spare_probe(a, server);
		return false;
	}
	limit.deadline = now + (left / 2 < HEALTH_TIME ? left / 2 : HEALTH_TIME);
	r = health_check(s->http, server->address, limit, &why);
	if (r == 0)
		return true;
	if (r == -EINTR || r == -ENOMEM) {
		spare_probe(a, server);
		return false;
	}
	pthread_mutex_lock(&s->lock);
	fail_locked(a, server, a->probe, true, 0, &why);
	pthread_mutex_unlock(&s->lock);
	return false;
}

/* Makes the server at `i` the one that is asked. */
static void move_to(struct asking *a, size_t i)
{
	struct servers *s = a->s;
	size_t before;

	pthread_mutex_lock(&s->lock);
	before = s->current;
	s->current = i;
	s->return_at = clock_mono() + clock_jitter(RETURN_TIME);
	pthread_mutex_unlock(&s->lock);
	if (before != i)
		log_info("another server is asked now", F_STR("server", s->list[i].address),
			 F_STR("before", s->list[before].address));
}

/* 0 with a->server set, or the cause of the outage. */
static int choose(struct asking *a, struct err *err)
{
	struct servers *s = a->s;
	size_t first, current;

	pthread_mutex_lock(&s->lock);
	current = s->current;
	first = current;
	if (current && clock_mono() >= s->return_at) {
		first = 0;
		s->return_at = clock_mono() + clock_jitter(RETURN_TIME);
	}
	pthread_mutex_unlock(&s->lock);
	for (size_t k = 0; k < s->count; k++) {
		size_t i = (first + k) % s->count;
		enum breaker_says says;

		pthread_mutex_lock(&s->lock);
		says = breaker_ask(&s->list[i].breakers[a->kind], clock_mono());
		pthread_mutex_unlock(&s->lock);
		if (says == BREAKER_STOP)
			continue;
		a->probe = says == BREAKER_PROBE;
		if ((i != current || a->probe) && !is_well(a, i))
			continue;
		a->server = i;
		if (i != current)
			move_to(a, i);
		return 0;
	}
	a->probe = false;
	a->server = current;
	if (a->ask->insists)
		return 0;
	metric_count(METRIC_REQUESTS_SPARED, 0);
	pthread_mutex_lock(&s->lock);
	if (err)
		*err = s->list[current].why;
	pthread_mutex_unlock(&s->lock);
	return err ? -err->code : -EHOSTUNREACH;
}

/* Whether it was the server who answered. */
static void judge(const struct servers_ask *ask, struct http_reply *reply)
{
	bool success = reply->status >= 200 && reply->status <= 299;

	if (reply->fault != HTTP_ANSWERED)
		return;
	if (success && ask->sense && !ask->sense(ask->arg, reply)) {
		reply->fault = HTTP_FOREIGN;
	} else if (reply_is_foreign(ask->request, reply)) {
		reply->fault = HTTP_FOREIGN;
		snprintf(reply->why, sizeof(reply->why),
			 "%ld without the server's own errors, perhaps of a gateway",
			 reply->status);
	}
}

static bool has_others(struct asking *a)
{
	struct servers *s = a->s;
	LOCK_SCOPE(&s->lock);

	for (size_t i = 0; i < s->count; i++)
		if (i != a->server && !s->list[i].breakers[a->kind].retry)
			return true;
	return false;
}

/* A timeout is the server's doing only if it was long, and others had no answers meanwhile. */
static enum reply_blame blame_of(struct asking *a, const struct server *server,
				 const struct http_reply *reply)
{
	LOCK_SCOPE(&a->s->lock);

	if (reply->fault == HTTP_TIMEOUT && clock_mono() - a->begun < TIMEOUT_COUNTS)
		return REPLY_BLAME_US;
	if (reply->fault == HTTP_TIMEOUT && server->good_at > a->begun)
		return REPLY_BLAME_PATH;
	return reply_blame(reply);
}

/* Takes in what became of an attempt. */
static void settle(struct asking *a, const struct http_reply *reply)
{
	struct servers *s = a->s;
	struct server *server = &s->list[a->server];
	struct breaker *b = server->breakers;
	uint64_t pause =
		reply->retry_after < RETRY_AFTER_MAX ? reply->retry_after : RETRY_AFTER_MAX;
	bool opened = false, closed = false;
	struct err why = {0};

	a->blame = blame_of(a, server, reply);
	if (a->blame == REPLY_BLAME_SERVER)
		reply_verdict(reply, server->address, &why);
	pthread_mutex_lock(&s->lock);
	if (a->blame == REPLY_BLAME_SERVER) {
		opened = fail_locked(a, server, a->probe, reply->status == 0, pause, &why);
	} else if (!reply->status || reply->fault == HTTP_FOREIGN) {
		if (a->probe)
			breaker_spare(&b[a->kind]);
	} else {
		server->good_at = clock_mono();
		closed = breaker_good(&b[a->kind]);
		breaker_hope(&b[!a->kind], clock_mono());
	}
	/* With several, whoever finds that none serves still waits a little for one that does. */
	a->spared = b[a->kind].retry && (a->probe || s->count == 1);
	pthread_mutex_unlock(&s->lock);
	/* A token's end says nothing of the path. Who says it surely is not asked with that one again,
	 * and so need not be spared; what is in doubt may be any number of refusals. */
	if (reply_token(reply) == REPLY_TOKEN_DEAD)
		restraint_spare(&s->restraint, &a->pass);
	else if (a->blame == REPLY_BLAME_SERVER || reply_token(reply) == REPLY_TOKEN_DOUBTFUL)
		restraint_bad(&s->restraint, &a->pass, 0, 0);
	else if (a->blame == REPLY_BLAME_PATH)
		restraint_bad(&s->restraint, &a->pass, -reply_verdict(reply, server->address, NULL),
			      reply->status == 429 ? pause : 0);
	else if (a->blame == REPLY_BLAME_US)
		restraint_spare(&s->restraint, &a->pass);
	else
		restraint_good(&s->restraint, &a->pass);
	if (opened)
		log_warning("the server does not serve, and is spared",
			    F_STR("server", server->address), F_ERR(&why));
	if (closed)
		log_info("the server serves again", F_STR("server", server->address));
}

static void attempt(struct asking *a, struct http_reply *reply)
{
	struct http_request *req = a->ask->request;

	a->begun = clock_mono();
	a->others = has_others(a);
	req->address = a->s->list[a->server].address;
	req->limit = a->limit;
	/* A read that waits in vain for this one still has time to ask another. */
	if (a->others && http_reads(req) && a->limit.deadline > a->begun)
		req->limit.deadline = a->begun + (a->limit.deadline - a->begun) / 2;
	if (a->s->redirects)
		http_ask(a->s->http, req, reply);
	else
		http_exchange(a->s->http, req, reply);
	judge(a->ask, reply);
	settle(a, reply);
}

/* Whether to go on to another server without a pause. */
static bool goes_on(struct asking *a, const struct http_reply *reply)
{
	return (a->blame == REPLY_BLAME_SERVER || reply->fault == HTTP_FOREIGN) && a->others &&
	       a->hops++ < a->s->count && clock_mono() < a->limit.deadline &&
	       (http_reads(a->ask->request) || !reply->sent || reply_unacted(reply));
}

/* Waits before the next attempt. False where there is no time for one. */
static bool pauses(struct asking *a, unsigned tries, uint64_t retry_after)
{
	uint64_t now = clock_mono(), pause = tries * clock_jitter(NS_PER_SEC);

	if (retry_after)
		pause = retry_after < RETRY_AFTER_MAX ? retry_after : RETRY_AFTER_MAX;
	return now + pause < a->limit.deadline && !cancel_sleep(a->limit.cancel, now + pause);
}

/* Takes a place among all requests: last, so that what is not sent has none. */
static int take_place(struct asking *a, struct err *err)
{
	struct servers *s = a->s;
	int r = budget_take(a->ask->budget, a->limit);

	if (r == 0)
		return 0;
	spare_probe(a, &s->list[a->server]);
	return err_set(err, -r,
		       r == -EINTR ? "interrupted"
				   : "no place in the request budget (option rate)");
}

/* The steps before an attempt. */
static int admit(struct asking *a, struct err *err)
{
	int r = a->ask->insists ? 0 : restraint_enter(&a->s->restraint, &a->pass, a->limit);

	if (r == -EINTR)
		return err_set(err, EINTR, "interrupted");
	if (r == -EAGAIN)
		return err_set(err, EAGAIN,
			       "not asked: too much fails at %s, or it limits the rate",
			       servers_address(a->s));
	if (r < 0)
		return err_set(err, -r,
			       "%s has refused it before, and too much to ask again so soon",
			       servers_address(a->s));
	r = choose(a, err);
	if (r == 0)
		r = take_place(a, err);
	if (r < 0)
		restraint_spare(&a->s->restraint, &a->pass);
	return r;
}

int servers_ask(struct servers *s, const struct servers_ask *ask, struct http_reply *reply,
		const char **address, struct err *err)
{
	struct asking a = {.s = s,
			   .ask = ask,
			   .limit = ask->request->limit,
			   .kind = http_reads(ask->request) ? READS : CHANGES,
			   .pass = restraint_pass(ask->path, !http_reads(ask->request))};
	bool sent = false, repeated = false;

	for (unsigned tries = 0;;) {
		uint64_t retry_after = 0;
		int r = admit(&a, tries || a.hops ? NULL : err);

		if (r < 0 && !tries && !a.hops)
			return r;
		if (r == 0) {
			if (tries || a.hops)
				metric_count(METRIC_RETRIES, 0);
			http_reply_fini(reply);
			attempt(&a, reply);
			*address = s->list[a.server].address;
			/* Whether any of the attempts may have reached a server. */
			sent = reply->sent |= sent;
			repeated = reply->repeated |= repeated;
			retry_after = reply->retry_after;
			if (goes_on(&a, reply))
				continue;
			if (a.spared || !reply_transient(ask->request, reply))
				return 0;
		}
		if (tries++ >= ask->retries || !pauses(&a, tries, retry_after))
			return 0;
	}
}

int servers_ask_at(struct servers *s, const struct servers_ask *ask, const char *address,
		   struct http_reply *reply, struct err *err)
{
	int r = budget_take(ask->budget, ask->request->limit);

	if (r < 0)
		return err_set(err, -r,
			       r == -EINTR ? "interrupted"
					   : "no place in the request budget (option rate)");
	ask->request->address = address;
	if (s->redirects)
		http_ask(s->http, ask->request, reply);
	else
		http_exchange(s->http, ask->request, reply);
	judge(ask, reply);
	return 0;
}

size_t servers_count(const struct servers *s)
{
	return s->count;
}

const char *servers_address_at(const struct servers *s, size_t i)
{
	return s->list[i].address;
}

bool servers_redirects(const struct servers *s)
{
	return s->redirects;
}
