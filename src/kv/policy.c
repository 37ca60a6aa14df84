// SPDX-License-Identifier: Apache-2.0
/* What the token may do, asked of the server before it is tried, so that a program hears of it when
 * it opens a file and not when it has closed it. */

#include "kv/policy.h"

#include "kv/kv.h"

#include <errno.h>
#include <string.h>

static const struct {
	const char *name;
	unsigned rights;
} capabilities[] = {
	{"create", KV_CREATE}, {"read", KV_READ},   {"update", KV_UPDATE}, {"delete", KV_DELETE},
	{"list", KV_LIST},     {"patch", KV_PATCH}, {"root", ~0u},
};

static unsigned rights_of(const cJSON *list)
{
	unsigned rights = 0;

	for (const cJSON *c = list ? list->child : NULL; c; c = c->next)
		for (size_t i = 0; i < ARRAY_SIZE(capabilities); i++)
			if (cJSON_IsString(c) && !strcmp(c->valuestring, capabilities[i].name))
				rights |= capabilities[i].rights;
	return rights;
}

int policy_rights(struct vault *v, const char *api_path, struct limit limit, unsigned *rights,
		  struct err *err)
{
	_cleanup_json_ cJSON *body = cJSON_CreateObject();
	_cleanup_answer_ struct vault_answer answer = {0};
	cJSON *paths = cJSON_AddArrayToObject(body, "paths");
	struct vault_call call = {.method = "POST",
				  .path = "sys/capabilities-self",
				  .body = body,
				  .harmless = true,
				  .limit = limit};
	const cJSON *list;
	int r;

	if (!paths || !cJSON_AddItemToArray(paths, json_new_string(api_path, strlen(api_path))))
		return err_set(err, ENOMEM, "no memory for a request");
	r = vault_call(v, &call, &answer, err);
	if (r == -EACCES) {
		*rights = ~0u;
		return 0;
	}
	if (r < 0)
		return r;
	list = json_get(json_get(answer.json, "data"), api_path);
	if (!cJSON_IsArray(list))
		return err_set(err, EIO, "the answer from %s makes no sense: no capabilities",
			       vault_address(v));
	*rights = rights_of(list);
	return 0;
}
