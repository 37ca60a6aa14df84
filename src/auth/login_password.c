// SPDX-License-Identifier: Apache-2.0
/* Login by a name and a password: userpass
 * (https://developer.hashicorp.com/vault/api-docs/auth/userpass) and ldap
 * (https://developer.hashicorp.com/vault/api-docs/auth/ldap). The server locks a user out for a
 * while after five failures. So each login asks it once, and the session makes pauses. */

#include "auth/method.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int check(const struct auth_config *c, const char *method, struct err *err)
{
	if (!c->username)
		return err_set(err, EINVAL, "auth=%s: set username=NAME or VAULT_USERNAME", method);
	if (strchr(c->username, '/'))
		return err_set(err, EINVAL, "username=%s: a slash cannot be in it", c->username);
	if (!c->password && !c->password_file)
		return err_set(err, EINVAL, "auth=%s: set VAULT_PASSWORD or password_file=FILE",
			       method);
	return 0;
}

static int login(struct vault *v, const struct auth_config *c, const char *usual,
		 struct limit limit, struct secret **token, struct token_info *info,
		 struct err *err)
{
	_cleanup_secret_ struct secret *password = NULL;
	_cleanup_json_ cJSON *body = cJSON_CreateObject();
	_cleanup_free_ char *rest = NULL, *path = NULL;
	char what[160];
	int r = auth_password(c, &password, err);

	if (r < 0)
		return r;
	if (asprintf(&rest, "login/%s", c->username) < 0 || !(path = auth_path(c, usual, rest)) ||
	    auth_add_secret(body, "password", password) < 0)
		return err_set(err, ENOMEM, "no memory for a login");
	snprintf(what, sizeof(what), "user %s or the password", c->username);
	return token_login(v, path, body, what, limit, token, info, err);
}

static int userpass_check(const struct auth_config *c, struct err *err)
{
	return check(c, "userpass", err);
}

static int userpass_login(struct vault *v, const struct auth_config *c, struct limit limit,
			  struct secret **token, struct token_info *info, struct err *err)
{
	return login(v, c, "userpass", limit, token, info, err);
}

static int ldap_check(const struct auth_config *c, struct err *err)
{
	return check(c, "ldap", err);
}

static int ldap_login(struct vault *v, const struct auth_config *c, struct limit limit,
		      struct secret **token, struct token_info *info, struct err *err)
{
	return login(v, c, "ldap", limit, token, info, err);
}

const struct auth_method auth_userpass = {
	.name = "userpass",
	.check = userpass_check,
	.login = userpass_login,
};

const struct auth_method auth_ldap = {
	.name = "ldap",
	.check = ldap_check,
	.login = ldap_login,
};
