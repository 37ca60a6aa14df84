/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VAULT_SERVERS_PARTS_H
#define VAULT_SERVERS_PARTS_H

#include "base/lock.h"
#include "base/pool.h"
#include "http/breaker.h"
#include "http/restraint.h"
#include "vault/health.h"
#include "vault/servers.h"

/* Shared by vault/servers.c, which sends requests, and vault/servers_look.c, which checks health. */

enum { READS, CHANGES, KINDS };

struct server {
	const char *address;
	struct breaker breakers[KINDS];
	struct err why;	   /* its last failure, if it was to blame */
	uint64_t good_at;  /* clock_mono() of its last answer */
	uint64_t asked_at; /* clock_mono() of the last request sent to it */
	uint64_t latency;  /* ns, of its slowest recent answer */
	/* For its health checks. */
	struct servers *servers;
	struct job job;
	struct cancel stop; /* ends its check */
	bool looked_after, looking;
	uint64_t looked_at; /* clock_mono() of the last check; 0: there was none */
	int looked;	    /* its result: 0, or -errno */
	struct health_look health;
	bool told; /* it has itself answered a health check before */
};

struct servers {
	struct http *http;
	bool redirects;
	struct restraint restraint;
	char *text; /* of all addresses */
	size_t count;
	struct lock
		report_lock; /* guards who is told; held while that one is, who takes the tree's */
	void (*report)(void *arg, const struct err *why);
	void *report_arg;
	struct lock lock;     /* guards all below */
	struct cond changed;  /* a look or a probe has ended, or one is due */
	struct pool *lookers; /* NULL: nobody had to look yet */
	bool stopping;
	size_t current;
	uint64_t return_at; /* clock_mono() */
	struct server list[];
};

/* Makes somebody check the server's health whenever that is due. Call without the lock. */
void servers_look_after(struct servers *s, struct server *server);

/* Checks the server's health now, unless somebody has done so within the last second; waits for a
 * check under way. Returns the result of health_check(), with details in server->health. Call
 * without the lock. */
int servers_look(struct servers *s, struct server *server, struct limit limit, struct err *err);

/* Whether a check or a probe of any server is under way, or due by `soon`: its outcome is worth
 * waiting for. */
bool servers_pending_locked(struct servers *s, int kind, uint64_t soon);

/* When it returns, no check is under way or will come. */
void servers_stop_looking(struct servers *s);

/* Whether to prefer another server though this one answers: it has no leader, or it claims to lead
 * and another has claimed so since a later time. */
bool servers_behind_locked(const struct servers *s, const struct server *server);

/* Makes it the current server; false if it was already. */
bool servers_move_locked(struct servers *s, const struct server *server);

#endif
