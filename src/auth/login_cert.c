// SPDX-License-Identifier: Apache-2.0
/* Login by the TLS client certificate that the connection shows
 * (https://developer.hashicorp.com/vault/api-docs/auth/cert). */

#include "auth/method.h"

#include <errno.h>
#include <stdio.h>

static int cert_check(const struct auth_config *c, struct err *err)
{
	if (!c->has_client_cert)
		return err_set(err, EINVAL,
			       "auth=cert: set client_cert=FILE and client_key=FILE, and an "
			       "address with https://");
	return 0;
}

static int cert_login(struct vault *v, const struct auth_config *c, struct limit limit,
		      struct secret **token, struct token_info *info, struct err *err)
{
	_cleanup_json_ cJSON *body = cJSON_CreateObject();
	_cleanup_free_ char *path = auth_path(c, "cert", "login");
	char what[160] = "the client certificate";

	if (!body || !path || auth_add(body, "name", c->role) < 0)
		return err_set(err, ENOMEM, "no memory for a login");
	if (c->role)
		snprintf(what, sizeof(what), "role %s or the client certificate", c->role);
	return token_login(v, path, body, what, limit, token, info, err);
}

const struct auth_method auth_cert = {
	.name = "cert",
	.check = cert_check,
	.login = cert_login,
};
