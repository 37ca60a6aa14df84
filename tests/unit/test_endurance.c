// SPDX-License-Identifier: Apache-2.0
/* Three days of a session, in a virtual time.
 *
 * The daemon's own code runs: session, renewal, the calls about tokens, the choice of a server, the
 * budgets, the judgement of answers, JSON. Substitutes below replace the clock, the timers, the pool
 * and the exchange over HTTP (ld --wrap; without a virtual time they are the originals). Time passes
 * only from one step of the session to the next, and while an answer is awaited.
 *
 * It proves that each renewal is made before the token ends, that there are as many as the rhythm says,
 * in spite of outages, and that memory does not grow with their number. It proves nothing of threads,
 * sockets and libcurl: a real server and a minute of real time are in tests/system/session.py. */

#include "exchange.h"
#include "unit_support.h"

#include "auth/session.h"
#include "http/budget.h"
#include "vault/servers.h"

#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

TestSuite(endurance, .fini = support_fini, .timeout = 300);

#define TTL	  (20 * NS_PER_SEC)
#define HOUR	  (3600 * NS_PER_SEC)
#define SPAN	  (72 * HOUR)
#define ROUNDTRIP (3 * NS_PER_MS)

static struct {
	uint64_t now; /* 0: real time */
	struct timer *timer;
	struct job *job;
	/* The server. */
	uint64_t expires, ends; /* of the token; of its longest life, 0: never */
	uint64_t outage_every, outage_for;
	unsigned logins, renewals, refused, unheard;
} world;

uint64_t __real_clock_mono(void);
uint64_t __wrap_clock_mono(void);
void __real_timer_arm(struct timers *ts, struct timer *t, uint64_t at);
void __wrap_timer_arm(struct timers *ts, struct timer *t, uint64_t at);
void __real_timer_disarm(struct timers *ts, struct timer *t);
void __wrap_timer_disarm(struct timers *ts, struct timer *t);
bool __real_cancel_sleep(struct cancel *c, uint64_t until);
bool __wrap_cancel_sleep(struct cancel *c, uint64_t until);
void __real_pool_submit_urgent(struct pool *p, struct job *job);
void __wrap_pool_submit_urgent(struct pool *p, struct job *job);
void __real_http_exchange(struct http *h, const struct http_request *req, struct http_reply *reply);
void __wrap_http_exchange(struct http *h, const struct http_request *req, struct http_reply *reply);

exchange_fn *exchange_stand_in;

uint64_t __wrap_clock_mono(void)
{
	return world.now ? world.now : __real_clock_mono();
}

void __wrap_timer_arm(struct timers *ts, struct timer *t, uint64_t at)
{
	if (!world.now) {
		__real_timer_arm(ts, t, at);
		return;
	}
	t->at = at;
	world.timer = t;
}

void __wrap_timer_disarm(struct timers *ts, struct timer *t)
{
	if (!world.now)
		__real_timer_disarm(ts, t);
	else if (world.timer == t)
		world.timer = NULL;
}

void __wrap_pool_submit_urgent(struct pool *p, struct job *job)
{
	if (world.now)
		world.job = job;
	else
		__real_pool_submit_urgent(p, job);
}

bool __wrap_cancel_sleep(struct cancel *c, uint64_t until)
{
	if (!world.now)
		return __real_cancel_sleep(c, until);
	world.now = until > world.now ? until : world.now;
	return false;
}

static void answer(struct http_reply *reply, long status, const char *body)
{
	reply->status = status;
	buf_add_str(&reply->body, body);
}

static uint64_t life(void)
{
	uint64_t end = world.now + TTL;

	return (world.ends && end > world.ends ? world.ends : end) - world.now;
}

static void renew(struct http_reply *reply)
{
	char body[200];
	uint64_t ttl = life();

	world.renewals++;
	world.expires = world.now + ttl;
	snprintf(body, sizeof(body),
		 "{\"auth\":{\"client_token\":\"t\",\"lease_duration\":%u,\"renewable\":true}}",
		 (unsigned)(ttl / NS_PER_SEC));
	answer(reply, 200, body);
}

void __wrap_http_exchange(struct http *h, const struct http_request *req, struct http_reply *reply)
{
	if (!world.now) {
		(exchange_stand_in ? exchange_stand_in : __real_http_exchange)(h, req, reply);
		return;
	}
	*reply = (struct http_reply){.sent = true};
	world.now += ROUNDTRIP;
	if (world.outage_every && world.now % world.outage_every < world.outage_for) {
		world.unheard++;
		reply->fault = HTTP_NO_CONNECT;
		reply->sent = false;
	} else if (world.now >= world.expires && req->token) {
		world.refused++;
		answer(reply, 403, "{\"errors\":[\"permission denied\",\"invalid token\"]}");
	} else if (!strcmp(req->path, "/v1/auth/token/renew-self")) {
		renew(reply);
	} else {
		answer(reply, 200, "{\"data\":{\"ttl\":1,\"renewable\":true}}");
	}
}

static int log_in(struct vault *v, const struct auth_config *c, struct limit limit,
		  struct secret **token, struct token_info *info, struct err *err)
{
	char name[32];

	(void)v, (void)c, (void)limit, (void)err;
	world.now += ROUNDTRIP;
	world.logins++;
	if (world.ends)
		world.ends = world.now + HOUR;
	world.expires = world.now + TTL;
	snprintf(name, sizeof(name), "token %u", world.logins);
	*token = secret_new(name, strlen(name));
	*info = (struct token_info){.ttl = TTL, .known = true, .renewable = true};
	return *token ? 0 : -ENOMEM;
}

static const struct auth_method method = {.name = "approle", .login = log_in};

static void on_token(void *arg)
{
	(void)arg;
}

static long resident_pages(void)
{
	long size, resident = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	cr_assert_eq(fscanf(f, "%ld %ld", &size, &resident), 2);
	fclose(f);
	return resident;
}

/* Within one in a hundred of each other. */
static void assert_flat(const char *what, double then, double now)
{
	fprintf(stderr, "# %s: %.0f after an hour, %.0f at the end\n", what, then, now);
	cr_assert_leq(now, then * 1.01, "%s has grown from %f to %f", what, then, now);
}

/* From one step of the session to the next, until `end`. */
static void live_until(uint64_t end)
{
	while (world.timer && world.timer->at < end) {
		struct timer *t = steal(world.timer);
		struct job *job;

		world.now = t->at > world.now ? t->at : world.now;
		t->fire(t);
		job = steal(world.job);
		if (job)
			job->run(job);
	}
	cr_assert_not_null(world.timer, "the session has stopped");
}

static void live(void)
{
	struct auth_config auth = {0};
	struct budget budget;
	struct err err = {0};
	struct servers *servers;
	struct vault *vault;
	struct session *s;
	struct vault_tokens tokens;
	long pages;
	size_t heap;
	uint64_t begun = world.now = 1000 * HOUR;

	budget_init(&budget, 0);
	servers = servers_new(NULL, "http://server:1", true, &err);
	vault = servers ? vault_new(servers, &budget, NULL, 2, &err) : NULL;
	cr_assert_not_null(vault, "%s", err_text(&err));
	s = session_new(&(struct session_config){.vault = vault,
						 .method = &method,
						 .auth = &auth,
						 .timeout = 2 * NS_PER_SEC,
						 .dead = on_token,
						 .replaced = on_token},
			&err);
	cr_assert_not_null(s);
	tokens = session_tokens(s);
	vault_set_tokens(vault, &tokens);
	cr_assert_eq(session_start(s, &err), 0, "%s", err_text(&err));
	live_until(begun + HOUR);
	pages = resident_pages();
	heap = mallinfo2().uordblks;
	live_until(begun + SPAN);
	if (!UNDER_SANITIZER) {
		assert_flat("bytes on the heap", (double)heap, (double)mallinfo2().uordblks);
		assert_flat("resident pages", (double)pages, (double)resident_pages());
	}
	session_stop(s);
	session_free(s);
	vault_free(vault);
	servers_free(servers);
	budget_fini(&budget);
	world.now = 0;
}

/* A renewal comes nine tenths of two thirds of the life after the one before, and up to a thirtieth of
 * that later. */
static const double earliest = (double)SPAN / ((double)TTL * 2 / 3 * 0.9),
		    latest = (double)SPAN / ((double)TTL * 2 / 3 * (0.9 + 1 / 30.0) + ROUNDTRIP);

Test(endurance, three_days_of_renewals_are_as_many_as_expected_and_memory_is_flat,
     .init = support_init)
{
	live();
	fprintf(stderr, "# %u renewals, %.0f to %.0f expected\n", world.renewals, latest, earliest);
	cr_assert_leq(world.renewals, earliest);
	cr_assert_geq(world.renewals + 1, latest);
	cr_assert_eq(world.logins, 1);
	cr_assert_eq(world.refused, 0);
}

Test(endurance, an_outage_each_hour_costs_no_token, .init = support_init)
{
	world.outage_every = HOUR;
	world.outage_for = 5 * NS_PER_SEC;
	live();
	fprintf(stderr, "# %u renewals, %u requests that met an outage\n", world.renewals,
		world.unheard);
	cr_assert_eq(world.logins, 1);
	cr_assert_eq(world.refused, 0);
	cr_assert_gt(world.unheard, 10);
	cr_assert_geq(world.renewals + world.unheard, latest);
}

/* In the last tenth of its life, or when the server says that it is dead. */
Test(endurance, a_token_at_the_end_of_its_longest_life_is_followed_by_another, .init = support_init)
{
	world.ends = UINT64_MAX;
	live();
	fprintf(stderr, "# %u logins, %u renewals\n", world.logins, world.renewals);
	cr_assert_geq(world.logins, 72);
	cr_assert_leq(world.logins, 74);
	cr_assert_eq(world.refused, 0);
}
