// SPDX-License-Identifier: Apache-2.0
/* No token of ours: the address is that of an agent or proxy which adds one to requests without
 * (auto-auth with use_auto_auth_token,
 * https://developer.hashicorp.com/vault/docs/agent-and-proxy/autoauth). Requests have an empty
 * token, which is not sent. It neither ends nor is renewed here, and each login returns it again.
 * If the server refuses the added token, it counts as any dead token: we look again after a
 * pause. */

#include "auth/method.h"

#include <errno.h>

static int none_check(const struct auth_config *c, struct err *err)
{
	return 0;
}

static int none_login(struct vault *v, const struct auth_config *c, struct limit limit,
		      struct secret **token, struct token_info *info, struct err *err)
{
	_cleanup_secret_ struct secret *empty = secret_new("", 0);
	struct token_info theirs;
	int r = 0;

	if (!empty)
		return err_set(err, ENOMEM, "no memory for a login");
	if (!auth_unasked(c))
		r = token_lookup(v, empty, limit, &theirs, err);
	/* 400 is "missing client token". */
	if (r == -EKEYEXPIRED || r == -EINVAL)
		return err_prefix(err,
				  "auth=none: no good token is added to what is sent to %s "
				  "without one (auto_auth, use_auto_auth_token)",
				  vault_address(v)),
		       -EKEYREJECTED;
	if (r < 0 && r != -EACCES) /* it is good, but without the policy `default` */
		return r;
	*info = (struct token_info){.known = false};
	*token = steal(empty);
	return 0;
}

const struct auth_method auth_none = {
	.name = "none",
	.borrowed = true,
	.check = none_check,
	.login = none_login,
};
