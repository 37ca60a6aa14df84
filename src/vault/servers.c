// SPDX-License-Identifier: Apache-2.0
/* Asks one of several servers, and spares those that fail.
 *
 *      choose    the current server; if its breaker is open, the next one that reports good health; if
 *                all are open, none: after a check that is under way, the cause becomes the answer
 *      admit     before that the budget of failures, after it the budget of all requests
 *      ask       with one redirect
 *      judge     whether the answer is the server's at all
 *      settle    assign blame: to the path (budget), the server (breaker), nobody
 *      again?    at once with the next server; or after a pause; or not
 *
 * Reads and changes have a breaker each: a standby answers reads when there is no leader to take a
 * change. A request that insists ignores the breakers. With several servers one failure is enough
 * to go on to the next; an only server gets a few chances. servers_look.c finds out whether a
 * spared server is well again. */

#include "vault/servers.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "http/budget.h"
#include "http/redirect.h"
#include "vault/servers_parts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FAILURES_PER_SECOND 10
#define HEALTH_TIME	    (2 * NS_PER_SEC)  /* to check a server that may be well again */
#define RETURN_TIME	    (15 * NS_PER_SEC) /* after which an earlier server is tried again */
#define RETRY_AFTER_MAX	    (30 * NS_PER_SEC)
#define TIMEOUT_COUNTS	    (250 * NS_PER_MS)	 /* shorter ones say nothing */
#define ROUNDS_MAX	    4			 /* lost to other requests */
#define LOOKS_TIME	    (3 * NS_PER_SEC / 2) /* in which each of several is checked */

/* A request on its way. */
struct asking {
	struct servers *s;
	const struct servers_ask *ask;
	struct limit limit;
	int kind;
	struct restraint_pass pass;
	size_t server;
	bool probe;	/* it finds out whether the server is back */
	bool spared;	/* when the attempt ended, the server was being spared */
	bool others;	/* other servers could be asked instead */
	unsigned hops;	/* from server to server */
	uint64_t begun; /* of this attempt */
	enum reply_blame blame;
};

/* Takes the next item of a comma-separated list and changes the text; NULL at the end. */
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
	lock_init(&s->report_lock, LOCK_SERVERS_REPORT);
	lock_init(&s->lock, LOCK_SERVERS);
	cond_init(&s->changed);
	restraint_init(&s->restraint, FAILURES_PER_SECOND);
	for (char *a; (a = next_address(&rest));) {
		struct server *server = &s->list[s->count++];

		server->address = a;
		server->servers = s;
		cancel_init(&server->stop);
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
	servers_stop_looking(s);
	for (size_t i = 0; i < s->count; i++)
		cancel_fini(&s->list[i].stop);
	restraint_fini(&s->restraint);
	cond_fini(&s->changed);
	lock_fini(&s->lock);
	lock_fini(&s->report_lock);
	free(s->text);
	free(s);
}

const char *servers_address(struct servers *s)
{
	LOCK_SCOPE(&s->lock);

	return s->list[s->current].address;
}

void servers_report(struct servers *s, void (*report)(void *arg, const struct err *why), void *arg)
{
	LOCK_SCOPE(&s->report_lock);

	s->report = report;
	s->report_arg = arg;
}

static void tell(struct servers *s, const char *address, const struct err *why)
{
	log_warning("the server does not serve, and is spared", F_STR("server", address),
		    F_ERR(why));
	LOCK_SCOPE(&s->report_lock);
	if (s->report)
		s->report(s->report_arg, why);
}

/* Without an answer both kinds of request fail alike; an answer concerns only its own kind. */
static bool fail_locked(struct asking *a, struct server *server, bool probe, bool of_both,
			uint64_t pause, const struct err *why)
{
	LOCK_HELD(&a->s->lock);
	uint64_t now = clock_mono();
	/* A server that timed out has had its chance. */
	bool at_once = a->s->count > 1 || why->code == ETIMEDOUT, opened;

	server->why = *why;
	opened = breaker_bad(&server->breakers[a->kind], now, probe, at_once, pause);
	if (of_both)
		breaker_bad(&server->breakers[!a->kind], now, false, at_once, pause);
	return opened;
}

/* Gives back our probe if it had no result: otherwise nobody would ever be let through. */
static void spare_probe(struct asking *a, struct server *server)
{
	LOCK_SCOPE(&a->s->lock);

	if (a->probe)
		breaker_spare(&server->breakers[a->kind]);
	cond_broadcast(&a->s->changed);
}

/* Whether the server at `i`, which is not the current one, reports good health; `any`: even without
 * a leader, with only its own data. */
static bool is_well(struct asking *a, size_t i, bool any)
{
	struct servers *s = a->s;
	struct server *server = &s->list[i];
	uint64_t now = clock_mono(), left = a->limit.deadline - now;
	struct limit limit = a->limit;
	struct err why = {0};
	bool well = false;
	int r = -EINTR;

	limit.deadline = now + (left / 2 < HEALTH_TIME ? left / 2 : HEALTH_TIME);
	if (a->limit.deadline > now)
		r = servers_look(s, server, limit, &why);
	lock_acquire(&s->lock);
	if (r == 0)
		well = any || !servers_behind_locked(s, server);
	else if (r != -EINTR && r != -ENOMEM)
		fail_locked(a, server, a->probe, true, 0, &why);
	lock_release(&s->lock);
	if (!well)
		spare_probe(a, server);
	if (r < 0)
		servers_look_after(s, server);
	return well;
}

/* The breaker's answer for the server at `i`; `first`: skip one without a leader. */
static enum breaker_says ask_breaker(struct asking *a, size_t i, bool first)
{
	struct server *server = &a->s->list[i];
	LOCK_SCOPE(&a->s->lock);

	if (first && servers_behind_locked(a->s, server))
		return BREAKER_STOP;
	return breaker_ask(&server->breakers[a->kind]);
}

/* Whether there is a server to ask; sets a->server. */
static bool pick(struct asking *a, bool any)
{
	struct servers *s = a->s;
	size_t first, current;

	lock_acquire(&s->lock);
	current = s->current;
	first = current;
	if (current && clock_mono() >= s->return_at) {
		first = 0;
		s->return_at = clock_mono() + clock_jitter(RETURN_TIME);
	}
	lock_release(&s->lock);
	for (size_t k = 0; k < s->count; k++) {
		size_t i = (first + k) % s->count;
		enum breaker_says says = ask_breaker(a, i, !any);

		if (says == BREAKER_STOP || says == BREAKER_WAIT)
			continue;
		a->probe = says == BREAKER_PROBE;
		if (i != current && !is_well(a, i, any))
			continue;
		a->server = i;
		lock_acquire(&s->lock);
		servers_move_locked(s, &s->list[i]);
		lock_release(&s->lock);
		return true;
	}
	a->server = current;
	a->probe = false;
	return false;
}

struct waiting {
	struct servers *s;
	bool cancelled; /* under its lock */
};

static void wake(void *arg)
{
	struct waiting *w = arg;
	LOCK_SCOPE(&w->s->lock);

	w->cancelled = true;
	cond_broadcast(&w->s->changed);
}

static bool may_ask_locked(const struct servers *s, int kind)
{
	LOCK_HELD(&s->lock);
	for (size_t i = 0; i < s->count; i++) {
		enum breaker_says says = breaker_state(&s->list[i].breakers[kind]);

		if (says == BREAKER_GO || says == BREAKER_PROBE)
			return true;
	}
	return false;
}

/* Waits for a check or a probe of a server. Whether one is back. */
static bool await_news(struct asking *a)
{
	struct servers *s = a->s;
	struct waiting w = {.s = s};
	/* Of several, one may be well that was not checked while another served. */
	uint64_t now = clock_mono(), soon = s->count > 1 ? now + LOOKS_TIME : now;
	uint64_t end = a->limit.deadline;
	bool may;
	bool in_time = true;

	if (s->count > 1 && soon < end)
		end = soon;

	if (a->limit.cancel)
		cancel_on(a->limit.cancel, wake, &w);
	lock_acquire(&s->lock);
	while (!w.cancelled && in_time && !may_ask_locked(s, a->kind) &&
	       servers_pending_locked(s, a->kind, soon))
		in_time = cond_wait_until(&s->changed, &s->lock, end);
	may = !w.cancelled && in_time && may_ask_locked(s, a->kind);
	lock_release(&s->lock);
	if (a->limit.cancel)
		cancel_on(a->limit.cancel, NULL, NULL);
	return may;
}

/* 0 with a->server set, or the cause of the outage. */
static int choose(struct asking *a, struct err *err)
{
	struct servers *s = a->s;
	unsigned rounds = 0;

	while (!pick(a, s->count == 1) && (s->count == 1 || !pick(a, true))) {
		if (a->ask->insists)
			return 0;
		if (clock_mono() < a->limit.deadline && rounds++ < ROUNDS_MAX && await_news(a))
			continue;
		metric_count(METRIC_REQUESTS_SPARED, 0);
		LOCK_SCOPE(&s->lock);
		if (err)
			*err = s->list[s->current].why;
		return err ? -err->code : -EHOSTUNREACH;
	}
	return 0;
}

/* Decides whether the server itself answered. */
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
		if (i != a->server && breaker_state(&s->list[i].breakers[a->kind]) == BREAKER_GO)
			return true;
	return false;
}

/* A timeout blames the server only if it was long, and other requests got no answers meanwhile. */
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

/* Something else has answered. If it also answers the health check, which the server once did
 * itself, then the server is unreachable; it is not one path that a firewall dislikes. */
static bool is_hidden(struct asking *a, struct server *server)
{
	struct servers *s = a->s;
	struct limit limit = {.deadline = clock_mono() + HEALTH_TIME, .cancel = a->limit.cancel};
	bool told;
	int r;

	lock_acquire(&s->lock);
	told = server->told;
	lock_release(&s->lock);
	if (!told)
		return false;
	r = servers_look(s, server, limit, NULL);
	LOCK_SCOPE(&s->lock);
	return r < 0 || server->health.foreign;
}

/* Records the outcome of an attempt. */
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
	if (reply->fault == HTTP_FOREIGN && is_hidden(a, server))
		a->blame = REPLY_BLAME_SERVER;
	if (a->blame == REPLY_BLAME_SERVER)
		reply_verdict(reply, server->address, &why);
	lock_acquire(&s->lock);
	if (a->blame == REPLY_BLAME_SERVER) {
		opened = fail_locked(a, server, a->probe,
				     reply->status == 0 || reply->fault == HTTP_FOREIGN, pause,
				     &why);
	} else if (!reply->status || reply->fault == HTTP_FOREIGN) {
		if (a->probe)
			breaker_spare(&b[a->kind]);
	} else {
		server->good_at = clock_mono();
		server->latency = server->latency / 8 * 7;
		if (server->latency < server->good_at - a->begun)
			server->latency = server->good_at - a->begun;
		closed = breaker_good(&b[a->kind]);
		if (a->kind == CHANGES || !servers_behind_locked(s, server))
			breaker_hope(&b[!a->kind]);
	}
	/* With several, a request that finds none serving still waits a little for one. */
	a->spared = breaker_state(&b[a->kind]) != BREAKER_GO && (a->probe || s->count == 1);
	cond_broadcast(&s->changed);
	lock_release(&s->lock);
	servers_look_after(s, server);
	/* A token's end says nothing about the path. A token that is surely dead is not used again,
	 * so nothing need be spared; a doubtful refusal may be repeated any number of times. */
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
		tell(s, server->address, &why);
	if (closed)
		log_info("the server serves again", F_STR("server", server->address));
}

static void attempt(struct asking *a, struct http_reply *reply)
{
	struct http_request *req = a->ask->request;

	a->begun = clock_mono();
	lock_acquire(&a->s->lock);
	a->s->list[a->server].asked_at = a->begun;
	lock_release(&a->s->lock);
	a->others = has_others(a);
	req->address = a->s->list[a->server].address;
	req->limit = a->limit;
	/* If this server does not answer a read, there must be time to ask another. */
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

/* Waits before the next attempt. False if there is no time for one. */
static bool pauses(struct asking *a, unsigned tries, uint64_t retry_after)
{
	uint64_t now = clock_mono(), pause = tries * clock_jitter(NS_PER_SEC);

	if (retry_after)
		pause = retry_after < RETRY_AFTER_MAX ? retry_after : RETRY_AFTER_MAX;
	return now + pause < a->limit.deadline && !cancel_sleep(a->limit.cancel, now + pause);
}

/* Takes a place among all requests: last, so that an unsent request takes none. */
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

static enum restraint_kind kind_of(const struct http_request *req)
{
	if (!strcmp(req->method, "LIST"))
		return RESTRAINT_LIST;
	return http_reads(req) ? RESTRAINT_READ : RESTRAINT_CHANGE;
}

int servers_ask(struct servers *s, const struct servers_ask *ask, struct http_reply *reply,
		const char **address, struct err *err)
{
	struct asking a = {.s = s,
			   .ask = ask,
			   .limit = ask->request->limit,
			   .kind = http_reads(ask->request) ? READS : CHANGES,
			   .pass = restraint_pass(ask->path, kind_of(ask->request))};
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

bool servers_serve(struct servers *s)
{
	LOCK_SCOPE(&s->lock);

	for (size_t i = 0; i < s->count; i++)
		if (breaker_state(&s->list[i].breakers[READS]) == BREAKER_GO)
			return true;
	return false;
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
