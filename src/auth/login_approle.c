// SPDX-License-Identifier: Apache-2.0
/* AppRole (https://developer.hashicorp.com/vault/api-docs/auth/approle). */

#include "auth/method.h"

#include "vault/reply.h"

#include <errno.h>
#include <stdio.h>

static bool approle_offers(const struct auth_config *c)
{
	return (c->role_id || c->role_id_file) && (c->secret_id || c->secret_id_file);
}

static int approle_check(const struct auth_config *c, struct err *err)
{
	if (!c->role_id && !c->role_id_file)
		return err_set(err, EINVAL, "auth=approle: set VAULT_ROLE_ID or role_id_file=FILE");
	if (!c->secret_id && !c->secret_id_file)
		return err_set(err, EINVAL,
			       "auth=approle: set VAULT_SECRET_ID or secret_id_file=FILE");
	return 0;
}

static int refused(const struct vault *v, const struct vault_answer *answer, struct err *err)
{
	char words[200];

	reply_words(answer->json, words, sizeof(words));
	return err_set(err, EKEYREJECTED,
		       "cannot log in: role_id or secret_id refused by %s (%ld%s%s)",
		       vault_address(v), answer->status, words[0] ? " " : "", words);
}

static int approle_login(struct vault *v, const struct auth_config *c, struct limit limit,
			 struct secret **token, struct token_info *info, struct err *err)
{
	_cleanup_secret_ struct secret *role_id = NULL, *secret_id = NULL;
	_cleanup_json_ cJSON *body = cJSON_CreateObject();
	_cleanup_answer_ struct vault_answer answer = {0};
	_cleanup_free_ char *path = NULL;
	struct vault_call call = {
		.method = "POST", .body = body, .anonymous = true, .once = true, .limit = limit};
	int r;

	r = auth_credential(c->role_id, c->role_id_file, "role_id", &role_id, err);
	if (r == 0)
		r = auth_credential(c->secret_id, c->secret_id_file, "secret_id", &secret_id, err);
	if (r < 0)
		return r;
	if (asprintf(&path, "auth/%s/login", c->mount ? c->mount : "approle") < 0 || !body ||
	    json_add(body, "role_id", 7, json_new_string(role_id->bytes, role_id->len)) < 0 ||
	    json_add(body, "secret_id", 9, json_new_string(secret_id->bytes, secret_id->len)) < 0)
		return err_set(err, ENOMEM, "no memory for a login");
	call.path = path;
	r = vault_call(v, &call, &answer, err);
	if (r == -EINVAL || r == -EACCES || r == -ENOENT)
		return refused(v, &answer, err);
	if (r < 0)
		return err_prefix(err, "cannot log in");
	r = token_from_auth(json_get(answer.json, "auth"), token, info);
	return r < 0 ? err_set(err, -r, "cannot log in: the answer from %s holds no token",
			       vault_address(v))
		     : 0;
}

const struct auth_method auth_approle = {
	.name = "approle",
	.offers = approle_offers,
	.check = approle_check,
	.login = approle_login,
};
