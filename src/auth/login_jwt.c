// SPDX-License-Identifier: Apache-2.0
/* Login by a JSON web token that somebody else signed: jwt
 * (https://developer.hashicorp.com/vault/api-docs/auth/jwt) and kubernetes
 * (https://developer.hashicorp.com/vault/api-docs/auth/kubernetes), which replaces the token in its
 * file every hour or so. Only the server looks into it. */

#include "auth/method.h"

#include <errno.h>
#include <stdio.h>

#define SERVICE_ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount/token"

static int login(struct vault *v, const struct auth_config *c, const char *usual, const char *file,
		 struct limit limit, struct secret **token, struct token_info *info,
		 struct err *err)
{
	_cleanup_secret_ struct secret *jwt = NULL;
	_cleanup_json_ cJSON *body = cJSON_CreateObject();
	_cleanup_free_ char *path = auth_path(c, usual, "login");
	char what[160];
	int r = auth_credential(c->jwt, file, "JWT", &jwt, err);

	if (r < 0)
		return r;
	if (!path || auth_add(body, "role", c->role) < 0 || auth_add_secret(body, "jwt", jwt) < 0)
		return err_set(err, ENOMEM, "no memory for a login");
	if (c->role)
		snprintf(what, sizeof(what), "role %s or the JWT", c->role);
	else
		snprintf(what, sizeof(what), "the JWT, for no role in particular (role=),");
	return token_login(v, path, body, what, limit, token, info, err);
}

static int jwt_check(const struct auth_config *c, struct err *err)
{
	if (!c->jwt && !c->jwt_file)
		return err_set(err, EINVAL, "auth=jwt: set VAULT_ID_TOKEN or jwt_file=FILE");
	return 0;
}

static int jwt_login(struct vault *v, const struct auth_config *c, struct limit limit,
		     struct secret **token, struct token_info *info, struct err *err)
{
	return login(v, c, "jwt", c->jwt_file, limit, token, info, err);
}

static int kubernetes_check(const struct auth_config *c, struct err *err)
{
	if (!c->role)
		return err_set(err, EINVAL, "auth=kubernetes: set role=NAME");
	return 0;
}

static int kubernetes_login(struct vault *v, const struct auth_config *c, struct limit limit,
			    struct secret **token, struct token_info *info, struct err *err)
{
	return login(v, c, "kubernetes", c->jwt_file ? c->jwt_file : SERVICE_ACCOUNT, limit, token,
		     info, err);
}

const struct auth_method auth_jwt = {
	.name = "jwt",
	.check = jwt_check,
	.login = jwt_login,
};

const struct auth_method auth_kubernetes = {
	.name = "kubernetes",
	.check = kubernetes_check,
	.login = kubernetes_login,
};
