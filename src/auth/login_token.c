// SPDX-License-Identifier: Apache-2.0
/* Login by a token that somebody else obtained: from the environment, a named file, or the file of
 * `vault login`. Logging in anew means reading it anew: an agent may have renewed it. */

#include "auth/method.h"

#include "base/log.h"

#include <errno.h>

static const char *file_of(const struct auth_config *c)
{
	return c->token_file ? c->token_file : c->home_token_file;
}

static const char *token_watched(const struct auth_config *c)
{
	return c->token ? NULL : file_of(c);
}

static bool token_offers(const struct auth_config *c)
{
	return c->token || c->token_file ||
	       (c->home_token_file && access(c->home_token_file, R_OK) == 0);
}

static int token_check(const struct auth_config *c, struct err *err)
{
	if (c->token || file_of(c))
		return 0;
	return err_set(err, EINVAL,
		       "auth=token: set VAULT_TOKEN, or token_file=FILE, or write "
		       "~/.vault-token (vault login)");
}

static int use_token(struct vault *v, const struct auth_config *c, struct limit limit,
		     struct secret **out, struct token_info *info, struct err *err)
{
	_cleanup_secret_ struct secret *token = NULL;
	int r = auth_credential(c->token, file_of(c), "token", &token, err);

	if (r < 0)
		return r;
	r = auth_check_token(token, "the token", err);
	if (r < 0)
		return r;
	*info = (struct token_info){.known = false};
	if (!auth_unasked(c))
		r = token_lookup(v, token, limit, info, err);
	if (r == -EKEYEXPIRED)
		return err_prefix(err, "the token is refused"), r;
	/* Alive, but without the policy `default`: its remaining life is unknown. */
	if (r < 0 && r != -EACCES)
		return r;
	if (info->uses > 0)
		log_warning("the token is good for few requests only, and each takes one",
			    F_INT("uses", info->uses));
	*out = steal(token);
	return 0;
}

const struct auth_method auth_token = {
	.name = "token",
	.borrowed = true,
	.offers = token_offers,
	.watched = token_watched,
	.check = token_check,
	.login = use_token,
};
