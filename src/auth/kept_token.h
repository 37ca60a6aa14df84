/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_KEPT_TOKEN_H
#define AUTH_KEPT_TOKEN_H

#include "base/lock.h"
#include "store/token_cache.h"
#include "vault/token.h"

/* The cached token, for the next start. */
struct kept_token {
	const struct token_cache *cache; /* NULL: none is kept */
	struct lock lock;		 /* guards all below, and the cache */
	struct secret *saved;
	uint64_t until; /* clock_mono() */
};

void kept_token_init(struct kept_token *k, const struct token_cache *cache);
void kept_token_fini(struct kept_token *k);

/* 0 if the cache held a token that the server still accepts; the caller's. -ENOENT if there is
 * none, or it is of no use. If the server cannot be asked, the outage's -errno: then do not replace
 * the cached token. Waits for the network. */
int kept_token_take(struct kept_token *k, struct vault *v, struct limit limit,
		    struct secret **token, struct token_info *info, struct err *err);

/* Updates the cache to a token that ends at `until`, clock_mono(), or never if 0. NULL is fine. */
void kept_token_save_locked(struct kept_token *k, struct secret *token, uint64_t until);

#endif
