/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VAULT_SERVERS_PARTS_H
#define VAULT_SERVERS_PARTS_H

#include "base/lock.h"
#include "base/pool.h"
#include "http/breaker.h"
#include "http/restraint.h"
#include "vault/health.h"
#include "vault/servers.h"

/* What vault/servers.c, which asks, and vault/servers_look.c, which looks, have in common. */

enum { READS, CHANGES, KINDS };

struct server {
	const char *address;
	struct breaker breakers[KINDS];
	struct err why;	   /* of the last failure that was its own */
	uint64_t good_at;  /* clock_mono() of its last answer */
	uint64_t asked_at; /* the same, of the last request that it was sent */
	uint64_t latency;  /* ns that its slowest answer took, of late */
	/* Who looks after it. */
	struct servers *servers;
	struct job job;
	struct cancel stop; /* ends its look */
	bool looked_after, looking;
	uint64_t looked_at; /* clock_mono() of the last look; 0: there was none */
	int looked;	    /* what came of it: 0, or -errno */
	struct health_look health;
	bool told; /* its health was once told by itself */
};

struct servers {
	struct http *http;
	bool redirects;
	struct restraint restraint;
	char *text; /* of all addresses */
	size_t count;
	struct lock report_lock; /* guards who is told; no other lock is taken in it */
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

/* Sees to it that somebody looks at the server whenever that is due. Without the lock. */
void servers_look_after(struct servers *s, struct server *server);

/* Looks now, unless somebody has within the last second; until then the caller waits. As
 * health_check(), with what it has shown in server->health. Without the lock. */
int servers_look(struct servers *s, struct server *server, struct limit limit, struct err *err);

/* Whether a look at any of them, or a request that finds out, is under way, or due by `soon`: its outcome
 * is worth waiting for. */
bool servers_pending_locked(struct servers *s, int kind, uint64_t soon);

/* Nobody looks any more, when it returns. */
void servers_stop_looking(struct servers *s);

/* Whether another is to be preferred, though it answers: it has no leader; or it says that it leads, and
 * another does that began to later. */
bool servers_behind_locked(const struct servers *s, const struct server *server);

/* Makes it the one that is asked; false where it is already. */
bool servers_move_locked(struct servers *s, const struct server *server);

#endif
