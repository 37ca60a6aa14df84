// SPDX-License-Identifier: Apache-2.0
/* What server and token say of themselves, for .vault/status.json. It answers in an outage too: then it
 * says so. There is nothing in it by which anybody could log in. */

#include "node/status.h"

#include "vault/health.h"
#include "vault/token.h"

#include <errno.h>

static void describe_server(struct vault *v, struct limit limit, cJSON *to)
{
	struct err err = {0};
	struct health health;

	cJSON_AddStringToObject(to, "address", vault_address(v));
	if (health_read(v, limit, &health, &err) < 0) {
		cJSON_AddBoolToObject(to, "reachable", false);
		cJSON_AddStringToObject(to, "error", err_text(&err));
		return;
	}
	cJSON_AddBoolToObject(to, "reachable", true);
	cJSON_AddStringToObject(to, "product", health.product);
	cJSON_AddStringToObject(to, "version", health.version);
	cJSON_AddBoolToObject(to, "sealed", health.sealed);
	cJSON_AddBoolToObject(to, "standby", health.standby);
}

static cJSON *describe_token(struct vault *v, struct limit limit)
{
	struct err err = {0};
	cJSON *token = NULL;

	if (token_describe(v, limit, &token, &err) == 0)
		return token;
	token = cJSON_CreateObject();
	cJSON_AddStringToObject(token, "error", err_text(&err));
	return token;
}

int status_fetch(struct vault *v, struct limit limit, cJSON **out)
{
	_cleanup_json_ cJSON *object = cJSON_CreateObject();
	cJSON *server = v ? cJSON_AddObjectToObject(object, "server") : NULL;

	if (server) {
		describe_server(v, limit, server);
		if (json_get_bool(server, "reachable") && !json_get_bool(server, "sealed"))
			cJSON_AddItemToObject(object, "token", describe_token(v, limit));
	}
	*out = steal(object);
	return *out ? 0 : -ENOMEM;
}
