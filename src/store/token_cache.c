// SPDX-License-Identifier: Apache-2.0
/* A token that outlives its daemon. The sealed text is the time at which it expires, in nanoseconds
 * since 1970 or 0 for never, a blank, and the token. */

#include "store/token_cache.h"

#include "base/clock.h"
#include "store/sealed.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define TEXT_MAX (64u << 10)

int token_cache_read(const struct token_cache *c, struct secret **token, uint64_t *ttl,
		     struct err *err)
{
	_cleanup_buf_ struct buf text = {0};
	int64_t end, now = clock_wall();
	char *blank;
	int r = sealed_read(c->path, c->key, c->about, TEXT_MAX, &text, err);

	if (r == -EBADMSG && c->unsalted)
		r = sealed_read(c->path, c->unsalted, c->about, TEXT_MAX, &text, err);
	if (r < 0)
		return r;
	end = strtoll(text.data, &blank, 10);
	if (*blank != ' ' || !blank[1])
		return -EBADMSG;
	if (end && end <= now)
		return -ETIME;
	*ttl = end ? (uint64_t)(end - now) : 0;
	*token = secret_new(blank + 1, text.len - (size_t)(blank + 1 - text.data));
	return *token ? 0 : -ENOMEM;
}

int token_cache_write(const struct token_cache *c, const struct secret *token, uint64_t ttl)
{
	_cleanup_buf_ struct buf text = {0};

	buf_printf(&text, "%" PRId64 " ", ttl ? clock_wall() + (int64_t)ttl : 0);
	buf_add(&text, token->bytes, token->len);
	return buf_status(&text) < 0 ? -ENOMEM : sealed_write(c->path, c->key, c->about, &text);
}

void token_cache_remove(const struct token_cache *c)
{
	if (unlink(c->path) < 0)
		errno = 0; /* there is none */
}
