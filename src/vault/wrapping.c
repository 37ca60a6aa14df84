// SPDX-License-Identifier: Apache-2.0
/* Wrapped answers. A wrapping token can be used only once, which is its purpose: if it is used up,
 * somebody else may have used it, and the error must say so. */

#include "vault/wrapping.h"

#include <errno.h>
#include <string.h>

#define LEGACY_LEN 26 /* "s." and 24 letters: OpenBao, and Vault before 1.10 */

bool wrapping_is_token(const struct secret *text)
{
	if (!strncmp(text->bytes, "hvs.", 4))
		return true;
	return !strncmp(text->bytes, "s.", 2) &&
	       (text->len == LEGACY_LEN ||
		(text->len > LEGACY_LEN && text->bytes[LEGACY_LEN] == '.'));
}

static int used_up(const struct vault *v, const struct vault_answer *answer, struct err *err)
{
	char words[200];

	reply_words(answer->json, words, sizeof(words));
	return err_set(err, EKEYREJECTED,
		       "the wrapping token is used up or has expired (%s: %ld %s): if it was not "
		       "used here, somebody else has what was in it",
		       vault_address(v), answer->status, words);
}

int wrapping_lookup(struct vault *v, const struct secret *token, struct limit limit, char **path,
		    struct err *err)
{
	_cleanup_json_ cJSON *body = cJSON_CreateObject();
	_cleanup_answer_ struct vault_answer answer = {0};
	struct vault_call call = {.method = "POST",
				  .path = "sys/wrapping/lookup",
				  .body = body,
				  .anonymous = true,
				  .once = true,
				  .limit = limit};
	const char *found;
	int r;

	if (json_add(body, "token", 5, json_new_string(token->bytes, token->len)) < 0)
		return err_set(err, ENOMEM, "no memory for a request");
	r = vault_call(v, &call, &answer, err);
	if (r == -EINVAL || r == -EACCES || r == -ENOENT)
		return used_up(v, &answer, err);
	if (r < 0)
		return r;
	found = json_get_str(json_get(answer.json, "data"), "creation_path");
	if (!found)
		return err_set(err, EIO, "the answer from %s makes no sense: it is no wrapping",
			       vault_address(v));
	*path = strdup(found);
	return *path ? 0 : err_set(err, ENOMEM, "no memory for a request");
}

int wrapping_unwrap(struct vault *v, const struct secret *token, const char *name,
		    struct limit limit, struct secret **out, struct err *err)
{
	_cleanup_answer_ struct vault_answer answer = {0};
	struct vault_call call = {.method = "POST",
				  .path = "sys/wrapping/unwrap",
				  .token = token,
				  .single = true,
				  .limit = limit};
	const char *text;
	int r = vault_call(v, &call, &answer, err);

	if (r == -EINVAL || r == -EACCES || r == -ENOENT)
		return used_up(v, &answer, err);
	if (r < 0)
		return answer.in_doubt ? err_prefix(err, "the answer was lost, and the wrapping "
							 "token may be used up")
				       : r;
	text = json_get_str(json_get(answer.json, "data"), name);
	if (!text)
		return err_set(err, EKEYREJECTED, "there is no %s in what was wrapped", name);
	*out = secret_new(text, strlen(text));
	return *out ? 0 : err_set(err, ENOMEM, "no memory for a credential");
}
