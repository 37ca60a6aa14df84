// SPDX-License-Identifier: Apache-2.0
/* The rhythm of renewals, after the official LifetimeWatcher (vault/api/lifetime_watcher.go): at
 * two thirds of the remaining time, slightly randomized, and at least hourly. A token that cannot
 * be renewed further is replaced in the last tenth of its life. Unlike it, we give no token up
 * before the server does. */

#include "auth/renewal.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"

#include <errno.h>

#define HOUR	    (3600 * NS_PER_SEC)
#define BACKOFF_MIN (10 * NS_PER_SEC)
#define BACKOFF_MAX (300 * NS_PER_SEC)

static uint64_t left(const struct renewal *r)
{
	uint64_t now = clock_mono();

	return r->expires > now ? r->expires - now : 0;
}

static void plan(struct renewal *r)
{
	uint64_t now = clock_mono(), pause = HOUR;

	if (r->expires && r->renewable)
		pause = left(r) * 2 / 3;
	else if (r->expires)
		pause = left(r) > r->grace ? left(r) - r->grace : left(r);
	if (pause > HOUR)
		pause = HOUR;
	/* Between nine tenths and all of it, so that a thousand mounts do not renew as one. */
	r->next = now + pause * 9 / 10 + clock_jitter(pause / 15) - pause / 15;
	if (r->next < now + NS_PER_SEC / 10)
		r->next = now + NS_PER_SEC / 10;
}

static void take(struct renewal *r, const struct token_info *info)
{
	r->expires = info->ttl ? clock_mono() + info->ttl : 0;
	r->renewable = info->renewable && info->ttl;
	r->announced = info->announced;
	r->grace = info->ttl / 10;
	r->backoff = 0;
}

void renewal_begin(struct renewal *r, const struct token_info *info)
{
	*r = (struct renewal){.count = r->count, .last = r->last};
	take(r, info);
	plan(r);
}

bool renewal_is_longer(const struct renewal *r, const struct token_info *info)
{
	if (!r->expires || !info->ttl)
		return r->expires != 0;
	return clock_mono() + info->ttl > r->expires + NS_PER_SEC;
}

/* The server is unreachable: retry, sooner when less time is left. */
static void back_off(struct renewal *r)
{
	r->backoff = r->backoff ? r->backoff * 2 : BACKOFF_MIN;
	if (r->backoff > BACKOFF_MAX)
		r->backoff = BACKOFF_MAX;
	if (r->expires && left(r) && r->backoff > left(r) / 4)
		r->backoff = left(r) / 4;
	if (r->backoff < NS_PER_SEC)
		r->backoff = NS_PER_SEC;
	r->next = clock_mono() + clock_jitter(r->backoff);
}

static void warn_once(struct renewal *r, const char *what)
{
	if (!r->warned)
		log_warning(what, F_INT("seconds_left", left(r) / NS_PER_SEC));
	r->warned = true;
}

static void renewed(struct renewal *r, const struct token_info *info)
{
	take(r, info);
	r->count++;
	r->last = clock_wall();
	log_debug("token renewed", F_INT("ttl", info->ttl / NS_PER_SEC));
	plan(r);
}

int renewal_demand(struct renewal *r, struct vault *v, const struct secret *token,
		   struct limit limit, struct err *err)
{
	struct token_info info;
	int e;

	if (!token->len)
		return err_set(err, EOPNOTSUPP,
			       "auth=none: the token is not ours, and is renewed by who adds it");
	e = token_renew(v, token, true, limit, &info, err);
	if (e == 0)
		renewed(r, &info);
	return e;
}

static enum renewal_verdict renew(struct renewal *r, struct vault *v, const struct secret *token,
				  struct limit limit)
{
	uint64_t before = r->expires;
	struct token_info info;
	struct err err = {0};
	int e = token_renew(v, token, false, limit, &info, &err);

	metric_count(METRIC_RENEWALS, e == 0);
	if (e == -EKEYEXPIRED)
		return RENEWAL_DEAD;
	if (e == -EACCES || e == -EINVAL || e == -ENOENT) {
		log_warning("the token cannot be renewed", F_ERR(&err));
		r->renewable = false;
		plan(r);
		return RENEWAL_LATER;
	}
	if (e < 0) {
		log_warning("renewal failed, the token lives on", F_ERR(&err),
			    F_INT("seconds_left", left(r) / NS_PER_SEC));
		back_off(r);
		return RENEWAL_LATER;
	}
	renewed(r, &info);
	/* Its end did not move: the token has reached its maximum life. */
	if (before && r->expires && r->expires < before + NS_PER_SEC) {
		r->renewable = false;
		warn_once(r, "the token nears the end of its longest life");
		plan(r);
	}
	return RENEWAL_LATER;
}

/* It has ended by our clock. The server has the last word, and an outage is no word. */
static enum renewal_verdict verify(struct renewal *r, struct vault *v, const struct secret *token,
				   struct limit limit)
{
	struct token_info info;
	struct err err = {0};
	int e = token_lookup(v, token, limit, &info, &err);

	if (e == -EKEYEXPIRED)
		return RENEWAL_DEAD;
	back_off(r);
	/* The token is still good, but its issuer announced this end: use it until there is
	 * another. */
	if (e == 0 && r->announced)
		return RENEWAL_REPLACE;
	if (e == 0) {
		take(r, &info);
		plan(r);
	}
	return RENEWAL_LATER;
}

enum renewal_verdict renewal_step(struct renewal *r, struct vault *v, const struct secret *token,
				  struct limit limit)
{
	if (!r->expires) {
		plan(r);
		return RENEWAL_LATER;
	}
	if (left(r) == 0)
		return verify(r, v, token, limit);
	if (r->renewable)
		return renew(r, v, token, limit);
	/* Check a long life every hour, however much is left. */
	if (left(r) > 2 * r->grace) {
		plan(r);
		return RENEWAL_LATER;
	}
	warn_once(r, "the token ends soon and cannot be renewed");
	/* Look for another token now, and again at its end. */
	r->next = r->expires + NS_PER_SEC / 10;
	return RENEWAL_REPLACE;
}
