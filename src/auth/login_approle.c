// SPDX-License-Identifier: Apache-2.0
/* AppRole (https://developer.hashicorp.com/vault/api-docs/auth/approle).
 *
 * The secret_id may come wrapped, so that its courier cannot use it unnoticed. It is unwrapped once
 * and remembered as long as the file holds the same wrapping token. First we check that the
 * wrapping was made by this role's secret-id: otherwise somebody has taken ours and put one of his
 * own in its place. */

#include "auth/method.h"

#include "vault/wrapping.h"

#include <errno.h>
#include <string.h>

static const char without[] = "role_id, with no secret_id (VAULT_SECRET_ID, secret_id_file=FILE),";

static bool has_secret_id(const struct auth_config *c)
{
	return c->secret_id || c->secret_id_file;
}

static bool approle_offers(const struct auth_config *c)
{
	return (c->role_id || c->role_id_file) && has_secret_id(c);
}

static int approle_check(const struct auth_config *c, struct err *err)
{
	if (!c->role_id && !c->role_id_file)
		return err_set(err, EINVAL, "auth=approle: set VAULT_ROLE_ID or role_id_file=FILE");
	return 0; /* some roles need no secret_id (bind_secret_id=false): only the server knows */
}

/* "auth/approle/role/ROLE/secret-id"; any role if none is configured. */
static bool is_ours(const struct auth_config *c, const char *path)
{
	_cleanup_free_ char *start = auth_path(c, "approle", "role/");
	const char *role, *end;

	if (!start || strncmp(path, start, strlen(start)) != 0)
		return false;
	role = path + strlen(start);
	end = strchr(role, '/');
	if (!end || (strcmp(end, "/secret-id") != 0 && strcmp(end, "/custom-secret-id") != 0))
		return false;
	return !c->role ||
	       (strlen(c->role) == (size_t)(end - role) && !memcmp(c->role, role, strlen(c->role)));
}

/* Replaces the wrapping token by the secret_id in it. */
static int unwrap(struct vault *v, const struct auth_config *c, struct limit limit,
		  struct secret **wrapping, struct err *err)
{
	_cleanup_free_ char *path = NULL;
	int r = wrapping_lookup(v, *wrapping, limit, &path, err);

	if (r < 0)
		return err_prefix(err, "cannot unwrap the secret_id");
	if (!is_ours(c, path))
		return err_set(err, EKEYREJECTED,
			       "what is to be the wrapped secret_id was made by %s, and not for "
			       "%s%s by auth/%s: somebody may have put it in the place of ours",
			       path, c->role ? "role " : "a role", c->role ? c->role : "",
			       c->mount ? c->mount : "approle");
	auth_memory_fini(c->memory);
	r = wrapping_unwrap(v, *wrapping, "secret_id", limit, &c->memory->unwrapped, err);
	if (r < 0)
		return err_prefix(err, "cannot unwrap the secret_id");
	c->memory->wrapping = *wrapping;
	*wrapping = secret_ref(c->memory->unwrapped);
	return 0;
}

static int find_secret_id(struct vault *v, const struct auth_config *c, struct limit limit,
			  struct secret **secret_id, struct err *err)
{
	int r;

	if (!has_secret_id(c))
		return 0;
	r = auth_credential(c->secret_id, c->secret_id_file, "secret_id", secret_id, err);
	if (r < 0 || c->secret_id_wrapped == AUTH_WRAPPED_NO ||
	    (c->secret_id_wrapped == AUTH_WRAPPED_AUTO && !wrapping_is_token(*secret_id)))
		return r;
	if (!secret_equal(*secret_id, c->memory->wrapping))
		return unwrap(v, c, limit, secret_id, err);
	secret_put(*secret_id);
	*secret_id = secret_ref(c->memory->unwrapped);
	return 0;
}

static int approle_login(struct vault *v, const struct auth_config *c, struct limit limit,
			 struct secret **token, struct token_info *info, struct err *err)
{
	_cleanup_secret_ struct secret *role_id = NULL, *secret_id = NULL;
	_cleanup_json_ cJSON *body = cJSON_CreateObject();
	_cleanup_free_ char *path = auth_path(c, "approle", "login");
	int r;

	r = auth_credential(c->role_id, c->role_id_file, "role_id", &role_id, err);
	if (r == 0)
		r = find_secret_id(v, c, limit, &secret_id, err);
	if (r < 0)
		return r;
	if (!path || auth_add_secret(body, "role_id", role_id) < 0 ||
	    (secret_id && auth_add_secret(body, "secret_id", secret_id) < 0))
		return err_set(err, ENOMEM, "no memory for a login");
	return token_login(v, path, body, secret_id ? "role_id or secret_id" : without, limit,
			   token, info, err);
}

const struct auth_method auth_approle = {
	.name = "approle",
	.offers = approle_offers,
	.check = approle_check,
	.login = approle_login,
};
