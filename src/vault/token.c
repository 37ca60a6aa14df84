// SPDX-License-Identifier: Apache-2.0
/* Tokens, as the server keeps them (https://developer.hashicorp.com/vault/api-docs/auth/token). */

#include "vault/token.h"

#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static uint64_t seconds(const cJSON *object, const char *name)
{
	int64_t n = json_get_int(object, name, 0);

	return n > 0 && n < INT64_MAX / (int64_t)NS_PER_SEC ? (uint64_t)n * NS_PER_SEC : 0;
}

/* For a dead token OpenBao says only "permission denied"; for a policy's refusal it says more. */
static int judge(int r, const struct vault_answer *answer)
{
	return r == -EACCES && answer->about != REPLY_TOKEN_FINE ? -EKEYEXPIRED : r;
}

/* The "data" of lookup-self, in `answer`. */
static int look_up(struct vault *v, const struct secret *token, struct limit limit,
		   struct vault_answer *answer, const cJSON **data, struct err *err)
{
	struct vault_call call = {.method = "GET",
				  .path = "auth/token/lookup-self",
				  .token = token,
				  .limit = limit,
				  .once = true};
	int r = judge(vault_call(v, &call, answer, err), answer);

	if (r < 0)
		return r;
	*data = json_get(answer->json, "data");
	return cJSON_IsObject(*data)
		       ? 0
		       : err_set(err, EIO, "the answer from %s makes no sense: it is no token",
				 vault_address(v));
}

int token_lookup(struct vault *v, const struct secret *token, struct limit limit,
		 struct token_info *out, struct err *err)
{
	_cleanup_answer_ struct vault_answer answer = {0};
	const cJSON *data;
	int r = look_up(v, token, limit, &answer, &data, err);

	if (r < 0)
		return r;
	*out = (struct token_info){.ttl = seconds(data, "ttl"),
				   .known = true,
				   .renewable = json_get_bool(data, "renewable"),
				   .uses = json_get_int(data, "num_uses", 0)};
	return 0;
}

int token_identify(struct vault *v, const struct secret *token, struct limit limit,
		   struct token_identity *out, struct err *err)
{
	_cleanup_answer_ struct vault_answer answer = {0};
	const cJSON *data, *policies;
	const char *name;
	size_t n = 0;
	int r = look_up(v, token, limit, &answer, &data, err);

	*out = (struct token_identity){0};
	if (r < 0)
		return r;
	name = json_get_str(data, "display_name");
	snprintf(out->name, sizeof(out->name), "%s", name ? name : "");
	policies = json_get(data, "policies");
	for (const cJSON *p = policies ? policies->child : NULL; p; p = p->next)
		if (cJSON_IsString(p) && n < sizeof(out->policies))
			n += (size_t)snprintf(out->policies + n, sizeof(out->policies) - n, "%s%s",
					      n ? ", " : "", p->valuestring);
	return 0;
}

int token_revoke(struct vault *v, const struct secret *token, struct limit limit, struct err *err)
{
	_cleanup_answer_ struct vault_answer answer = {0};
	struct vault_call call = {
		.method = "POST", .path = "auth/token/revoke-self", .token = token, .limit = limit};

	return judge(vault_call(v, &call, &answer, err), &answer);
}

int token_describe(struct vault *v, struct limit limit, cJSON **out, struct err *err)
{
	static const char *const told[] = {"display_name", "policies",	  "identity_policies",
					   "ttl",	   "expire_time", "renewable"};
	_cleanup_answer_ struct vault_answer answer = {0};
	_cleanup_json_ cJSON *object = cJSON_CreateObject();
	struct vault_call call = {
		.method = "GET", .path = "auth/token/lookup-self", .limit = limit, .once = true};
	int r = vault_call(v, &call, &answer, err);

	if (r < 0)
		return r;
	for (size_t i = 0; object && i < ARRAY_SIZE(told); i++) {
		const cJSON *item = json_get(json_get(answer.json, "data"), told[i]);

		if (item && !cJSON_AddItemToObject(object, told[i], cJSON_Duplicate(item, true)))
			return err_set(err, ENOMEM, "no memory");
	}
	*out = steal(object);
	return *out ? 0 : err_set(err, ENOMEM, "no memory");
}

int token_from_auth(const cJSON *auth, struct secret **token, struct token_info *out)
{
	const char *text = json_get_str(auth, "client_token");

	if (!text)
		return -EIO;
	*out = (struct token_info){.ttl = seconds(auth, "lease_duration"),
				   .known = true,
				   .renewable = json_get_bool(auth, "renewable"),
				   .uses = json_get_int(auth, "num_uses", 0)};
	if (token) {
		*token = secret_new(text, strlen(text));
		if (!*token)
			return -ENOMEM;
	}
	return 0;
}

int token_renew(struct vault *v, const struct secret *token, bool on_demand, struct limit limit,
		struct token_info *out, struct err *err)
{
	_cleanup_json_ cJSON *body = cJSON_CreateObject();
	_cleanup_answer_ struct vault_answer answer = {0};
	struct vault_call call = {.method = "POST",
				  .path = "auth/token/renew-self",
				  .body = body,
				  .token = token,
				  .once = on_demand,
				  .paced = on_demand,
				  .limit = limit};
	int r = judge(vault_call(v, &call, &answer, err), &answer);

	if (r < 0)
		return r;
	r = token_from_auth(json_get(answer.json, "auth"), NULL, out);
	return r < 0 ? err_set(err, EIO, "the answer from %s makes no sense: it is no token",
			       vault_address(v))
		     : 0;
}

/* The server refused the login. Both products answer a bare 403 if nothing is mounted at the path,
 * and also to a user whom failures have locked out. */
static int login_refused(const struct vault *v, const char *path, const char *what,
			 const struct vault_answer *answer, struct err *err)
{
	const char *end = strstr(path, "/login");
	char words[300];

	reply_words(answer->json, words, sizeof(words));
	if (answer->status != 403)
		return err_set(err, EKEYREJECTED, "cannot log in: %s refused by %s (%ld%s%s)", what,
			       vault_address(v), answer->status, words[0] ? " " : "", words);
	return err_set(err, EKEYREJECTED,
		       "cannot log in: %s refused by %s (403 %s), which it also says where no "
		       "login method is at %.*s, and to who is locked out after failed logins",
		       what, vault_address(v), words[0] ? words : "Forbidden",
		       end ? (int)(end - path) : (int)strlen(path), path);
}

static int log_in(struct vault *v, const struct vault_call *call, const char *what,
		  struct secret **token, struct token_info *out, struct err *err)
{
	_cleanup_answer_ struct vault_answer answer = {0};
	const cJSON *auth;
	int r = vault_call(v, call, &answer, err);

	if (r < 0 && answer.status >= 400 && answer.status <= 404)
		return login_refused(v, call->path, what, &answer, err);
	if (r < 0)
		return err_prefix(err, "cannot log in");
	auth = json_get(answer.json, "auth");
	if (cJSON_IsObject(json_get(auth, "mfa_requirement")))
		return err_set(
			err, EKEYREJECTED,
			"cannot log in: %s wants a second factor (MFA), which vaultfs cannot "
			"give",
			vault_address(v));
	r = token_from_auth(auth, token, out);
	return r < 0 ? err_set(err, -r, "cannot log in: the answer from %s holds no token",
			       vault_address(v))
		     : 0;
}

int token_login(struct vault *v, const char *path, const cJSON *body, const char *what,
		struct limit limit, struct secret **token, struct token_info *out, struct err *err)
{
	struct vault_call call = {.method = "POST",
				  .path = path,
				  .body = body,
				  .anonymous = true,
				  .single = true,
				  .limit = limit};

	return log_in(v, &call, what, token, out, err);
}

int token_login_by_query(struct vault *v, const char *path, const char *query, const char *what,
			 struct limit limit, struct secret **token, struct token_info *out,
			 struct err *err)
{
	struct vault_call call = {.method = "GET",
				  .path = path,
				  .query = query,
				  .anonymous = true,
				  .single = true,
				  .limit = limit};

	return log_in(v, &call, what, token, out, err);
}
