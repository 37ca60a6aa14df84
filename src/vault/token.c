// SPDX-License-Identifier: Apache-2.0
/* Tokens, as the server keeps them (https://developer.hashicorp.com/vault/api-docs/auth/token). */

#include "vault/token.h"

#include "base/clock.h"

#include <errno.h>
#include <string.h>

static uint64_t seconds(const cJSON *object, const char *name)
{
	int64_t n = json_get_int(object, name, 0);

	return n > 0 && n < INT64_MAX / (int64_t)NS_PER_SEC ? (uint64_t)n * NS_PER_SEC : 0;
}

/* OpenBao says of a dead token only "permission denied", but of a policy's refusal more. */
static int judge(int r, const struct vault_answer *answer)
{
	return r == -EACCES && answer->about != REPLY_TOKEN_FINE ? -EKEYEXPIRED : r;
}

int token_lookup(struct vault *v, const struct secret *token, struct limit limit,
		 struct token_info *out, struct err *err)
{
	_cleanup_answer_ struct vault_answer answer = {0};
	struct vault_call call = {.method = "GET",
				  .path = "auth/token/lookup-self",
				  .token = token,
				  .limit = limit,
				  .once = true};
	const cJSON *data;
	int r = judge(vault_call(v, &call, &answer, err), &answer);

	if (r < 0)
		return r;
	data = json_get(answer.json, "data");
	if (!cJSON_IsObject(data))
		return err_set(err, EIO, "the answer from %s makes no sense: it is no token",
			       vault_address(v));
	*out = (struct token_info){.ttl = seconds(data, "ttl"),
				   .known = true,
				   .renewable = json_get_bool(data, "renewable"),
				   .uses = json_get_int(data, "num_uses", 0)};
	return 0;
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

int token_renew(struct vault *v, const struct secret *token, struct limit limit,
		struct token_info *out, struct err *err)
{
	_cleanup_json_ cJSON *body = cJSON_CreateObject();
	_cleanup_answer_ struct vault_answer answer = {0};
	struct vault_call call = {.method = "POST",
				  .path = "auth/token/renew-self",
				  .body = body,
				  .token = token,
				  .limit = limit};
	int r = judge(vault_call(v, &call, &answer, err), &answer);

	if (r < 0)
		return r;
	r = token_from_auth(json_get(answer.json, "auth"), NULL, out);
	return r < 0 ? err_set(err, EIO, "the answer from %s makes no sense: it is no token",
			       vault_address(v))
		     : 0;
}
