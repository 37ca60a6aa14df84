// SPDX-License-Identifier: Apache-2.0
/* The token that outlives us: used at the next start if the server still accepts it, and written
 * again when it is replaced or lives longer. A failure is logged and costs a login, no more. */

#include "auth/kept_token.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <string.h>

void kept_token_init(struct kept_token *k, const struct token_cache *cache)
{
	*k = (struct kept_token){.cache = cache};
	lock_init(&k->lock, LOCK_KEPT_TOKEN);
}

void kept_token_fini(struct kept_token *k)
{
	secret_put(k->saved);
	lock_fini(&k->lock);
}

int kept_token_take(struct kept_token *k, struct vault *v, struct limit limit,
		    struct secret **token, struct token_info *info, struct err *err)
{
	_cleanup_secret_ struct secret *found = NULL;
	struct err why = {0};
	uint64_t ttl;
	int r = k->cache ? token_cache_read(k->cache, &found, &ttl, &why) : -ENOENT;

	if (r < 0) {
		if (r != -ENOENT)
			log_info("the token in the cache is of no use",
				 F_STR("file", k->cache->path),
				 F_STR("reason", r == -ETIME	 ? "it is over"
						 : r == -EBADMSG ? "it is of another login or key"
						 : why.code	 ? err_text(&why)
								 : strerror(-r)));
		return -ENOENT;
	}
	r = token_lookup(v, found, limit, info, &why);
	if (r == -EACCES) {
		/* Alive, but without the policy `default`: it may neither look itself up nor
		 * renew. */
		*info = (struct token_info){.ttl = ttl};
		r = 0;
	}
	if (reply_is_outage(-r)) {
		if (err)
			*err = why;
		return r;
	}
	if (r < 0) {
		log_info("the token in the cache is of no use", F_ERR(&why));
		return -ENOENT;
	}
	log_info("token taken up from the cache", F_INT("ttl", info->ttl / NS_PER_SEC));
	*token = steal(found);
	return 0;
}

void kept_token_save_locked(struct kept_token *k, struct secret *token, uint64_t until)
{
	LOCK_HELD(&k->lock);
	uint64_t now = clock_mono();
	int r;

	if (!token || (until && until <= now) ||
	    (secret_equal(token, k->saved) && until == k->until))
		return;
	r = token_cache_write(k->cache, token, until ? until - now : 0);
	if (r < 0) {
		log_warning("the token is not kept for the next start",
			    F_STR("file", k->cache->path), F_STR("reason", strerror(-r)));
		return;
	}
	secret_put(k->saved);
	k->saved = secret_ref(token);
	k->until = until;
}
