// SPDX-License-Identifier: Apache-2.0
/* The server's own account of its health. Only Vault's answer has the member "enterprise". */

#include "vault/health.h"

#include "base/clock.h"
#include "http/http.h"

#include <errno.h>
#include <stdio.h>

static int ask(struct vault *v, struct limit limit, struct vault_answer *answer, struct err *err)
{
	struct vault_call call = {
		.method = "GET",
		.path = "sys/health",
		.query = "standbyok=true&perfstandbyok=true&sealedcode=200&uninitcode=200",
		.anonymous = true,
		.plain = true,
		.limit = limit};
	int r = vault_call(v, &call, answer, err);

	if (r == 0 && !json_get_str(answer->json, "version"))
		return err_set(err, EIO, "the answer from %s makes no sense: it is no health",
			       vault_address(v));
	return r;
}

int health_has_namespaces(struct vault *v, struct limit limit, bool *out, struct err *err)
{
	_cleanup_answer_ struct vault_answer answer = {0};
	const cJSON *enterprise;
	int r = ask(v, limit, &answer, err);

	if (r < 0)
		return r;
	enterprise = json_get(answer.json, "enterprise");
	*out = !enterprise || cJSON_IsTrue(enterprise);
	return 0;
}

static int look(struct http *http, const char *address, const char *path, struct limit limit,
		struct http_reply *reply, cJSON **json, struct err *err)
{
	struct http_request req = {
		.address = address, .method = "GET", .path = path, .limit = limit};

	http_exchange(http, &req, reply);
	if (reply->fault != HTTP_ANSWERED)
		return reply_verdict(reply, address, err);
	if (reply->body.len)
		json_parse(reply->body.data, reply->body.len, json, NULL);
	return 0;
}

/* A server that was cut off from the others still reads its own data, and reports good health. */
static void look_at_leader(struct http *http, const char *address, struct limit limit,
			   struct health_look *out)
{
	_cleanup_reply_ struct http_reply reply = {0};
	_cleanup_json_ cJSON *json = NULL;
	const char *leader;
	int64_t since;

	if (look(http, address, "/v1/sys/leader", limit, &reply, &json, NULL) < 0 ||
	    !json_get_bool(json, "ha_enabled"))
		return;
	leader = json_get_str(json, "leader_address");
	out->leaderless = !leader || !*leader;
	since = clock_parse_rfc3339(json_get_str(json, "active_time"));
	if (json_get_bool(json, "is_self") && since > 0)
		out->leads_since = since;
}

int health_check(struct http *http, const char *address, bool leader, struct limit limit,
		 struct health_look *out, struct err *err)
{
	_cleanup_reply_ struct http_reply reply = {0};
	_cleanup_json_ cJSON *json = NULL;
	int r = look(http, address, "/v1/sys/health?standbyok=true&perfstandbyok=true", limit,
		     &reply, &json, err);

	*out = (struct health_look){0};
	if (r < 0)
		return r;
	if (reply.status >= 500 || reply.status == 472)
		return err_set(err, EIO, "%s is sealed or not ready (health %ld)", address,
			       reply.status);
	out->foreign = !json_get(json, "initialized") && !cJSON_IsArray(json_get(json, "errors"));
	if (leader || json_get_bool(json, "standby"))
		look_at_leader(http, address, limit, out);
	return 0;
}

int health_read(struct vault *v, struct limit limit, struct health *out, struct err *err)
{
	_cleanup_answer_ struct vault_answer answer = {0};
	int r = ask(v, limit, &answer, err);

	if (r < 0)
		return r;
	*out = (struct health){.product = json_get(answer.json, "enterprise") ? "vault" : "openbao",
			       .initialized = json_get_bool(answer.json, "initialized"),
			       .sealed = json_get_bool(answer.json, "sealed"),
			       .standby = json_get_bool(answer.json, "standby")};
	snprintf(out->version, sizeof(out->version), "%s", json_get_str(answer.json, "version"));
	return 0;
}
