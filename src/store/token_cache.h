/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_TOKEN_CACHE_H
#define STORE_TOKEN_CACHE_H

#include "base/err.h"
#include "base/secret.h"

#include <stdint.h>

/* A token in a sealed file, for the next start. */
struct token_cache {
	const char *path;
	const struct secret *key, *unsalted; /* see store/sealed.h */
	const char *about; /* user, method and server: it is used only for the same login */
};

/* The token, if the clock leaves it time; *ttl (ns) is how much, 0 for ever. 0; -ENOENT if there is
 * none; -ETIME if it has expired; or an error of sealed_read(). */
int token_cache_read(const struct token_cache *c, struct secret **token, uint64_t *ttl,
		     struct err *err);

/* 0 or -errno. */
int token_cache_write(const struct token_cache *c, const struct secret *token, uint64_t ttl);

void token_cache_remove(const struct token_cache *c);

#endif
