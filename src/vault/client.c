// SPDX-License-Identifier: Apache-2.0
/* One server call: encode, ask, judge.
 *
 * A call takes a token, makes a request, judges the answer. If the token is dead, it reports that to the
 * session and repeats the call once with the new token. */

#include "vault/client.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/log.h"
#include "vault/servers.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct vault {
	struct servers *servers;
	struct budget *budget;
	const char *wire_namespace;
	unsigned retries;
	struct vault_tokens tokens;
};

struct vault *vault_new(struct servers *servers, struct budget *budget, const char *wire_namespace,
			unsigned retries, struct err *err)
{
	struct vault *v = calloc(1, sizeof(*v));

	if (!v) {
		err_set(err, ENOMEM, "no memory for the server");
		return NULL;
	}
	v->servers = servers;
	v->budget = budget;
	v->wire_namespace = wire_namespace;
	v->retries = retries;
	return v;
}

void vault_free(struct vault *v)
{
	free(v);
}

void vault_set_tokens(struct vault *v, const struct vault_tokens *tokens)
{
	v->tokens = *tokens;
}

const char *vault_address(const struct vault *v)
{
	return servers_address(v->servers);
}

struct servers *vault_servers(const struct vault *v)
{
	return v->servers;
}

bool vault_serves(const struct vault *v)
{
	return servers_serve(v->servers);
}

size_t vault_address_count(const struct vault *v)
{
	return servers_count(v->servers);
}

static char *request_path(const struct vault_call *call)
{
	_cleanup_free_ char *path = url_encode_path(call->path);
	char *out = NULL;

	if (!path || asprintf(&out, "/v1/%s%s%s", path, call->query ? "?" : "",
			      call->query ? call->query : "") < 0)
		return NULL;
	return out;
}

/* The answer to a call, as far as it was parsed. */
struct reading {
	const struct vault_call *call;
	cJSON *json; /* of the last successful attempt */
	bool no_memory;
};

static void reading_fini(struct reading *r)
{
	cJSON_Delete(r->json);
}

static bool is_read(const struct vault_call *call)
{
	return !strcmp(call->method, "GET") || !strcmp(call->method, "LIST") || call->harmless;
}

/* Whether a successful answer is complete. A request that changes something may get an empty one. */
static bool holds(const struct vault_call *call, const cJSON *json)
{
	if (!cJSON_IsObject(json))
		return false;
	if (call->holds)
		return call->holds(json);
	return !is_read(call) || call->plain || vault_holds_data(json) ||
	       cJSON_IsObject(json_get(json, "auth"));
}

/* See servers_ask.sense. */
static bool makes_sense(void *arg, struct http_reply *reply)
{
	struct reading *reading = arg;
	struct json_where where;
	int r;

	cJSON_Delete(steal(reading->json));
	reading->no_memory = false;
	if (!reply->body.len && !is_read(reading->call) && !reading->call->holds)
		return true;
	r = json_parse_shallow(reply->body.data ? reply->body.data : "", reply->body.len,
			       reading->call->depth ? reading->call->depth : JSON_WHOLE,
			       &reading->json, &where);
	reading->no_memory = r == -ENOMEM;
	if (reading->no_memory)
		return true;
	if (r < 0)
		snprintf(reply->why, sizeof(reply->why), "it makes no sense: %s, at byte %zu",
			 where.what, where.offset);
	else if (!holds(reading->call, reading->json))
		snprintf(reply->why, sizeof(reply->why),
			 "it makes no sense: not what was asked for is in it");
	else
		return true;
	cJSON_Delete(steal(reading->json));
	return false;
}

/* Asks with this token or none; *address becomes the server that was asked. `again`: the token is
 * new, and the old one's failures must not delay it. */
static int ask(struct vault *v, const struct vault_call *call, const struct secret *token,
	       bool again, struct reading *reading, struct http_reply *reply, const char **address,
	       struct err *err)
{
	_cleanup_free_ char *path = request_path(call);
	_cleanup_buf_ struct buf body = {0};
	uint64_t begun = clock_mono();
	struct http_request req = {.method = call->method,
				   .path = path,
				   .token = token,
				   .wire_namespace = call->plain ? NULL : v->wire_namespace,
				   .content_type = strcmp(call->method, "PATCH") == 0
							   ? "application/merge-patch+json"
							   : NULL,
				   .harmless = call->harmless,
				   .fresh = call->single,
				   .extra_name = call->wrap_ttl ? "X-Vault-Wrap-TTL" : NULL,
				   .extra_value = call->wrap_ttl,
				   .limit = call->limit};
	struct servers_ask ask = {.request = &req,
				  .budget = v->budget,
				  .path = call->path,
				  .sense = makes_sense,
				  .arg = reading,
				  .retries = call->once || call->single ? 0 : v->retries,
				  .insists = !call->paced && (again || call->insists ||
							      call->anonymous || call->token)};
	int r;

	if (!path || (call->body && json_print(call->body, false, &body) < 0))
		return err_set(err, ENOMEM, "no memory for a request");
	req.body = call->body ? &body : NULL;
	if (call->address)
		*address = call->address;
	r = call->address ? servers_ask_at(v->servers, &ask, call->address, reply, err)
			  : servers_ask(v->servers, &ask, reply, address, err);
	if (r == 0)
		r = reply_verdict(reply, *address, err);
	log_debug("request", F_STR("method", call->method), F_STR("path", call->path),
		  F_INT("status", reply->status), F_STR("errno", err_name(-r)),
		  F_INT("us", (clock_mono() - begun) / 1000));
	return r;
}

static int read_answer(const struct http_reply *reply, const char *address, struct reading *reading,
		       struct vault_answer *answer, int verdict, struct err *err)
{
	answer->status = reply->status;
	answer->address = address;
	answer->unsent = !reply->sent;
	answer->in_doubt = reply->sent && (reply->status < 300 || reply->status >= 500);
	answer->repeated = reply->repeated;
	answer->about = reply_token(reply);
	answer->foreign = reply->fault == HTTP_FOREIGN;
	answer->json = steal(reading->json);
	if (verdict < 0 && !answer->foreign && !answer->json && reply->body.len)
		json_parse(reply->body.data, reply->body.len, &answer->json, NULL);
	if (verdict == 0 && reading->no_memory)
		return err_set(err, ENOMEM, "no memory for an answer of %zu bytes",
			       reply->body.len);
	return verdict;
}

int vault_call(struct vault *v, const struct vault_call *call, struct vault_answer *answer,
	       struct err *err)
{
	for (bool again = false;; again = true) {
		_cleanup_reply_ struct http_reply reply = {0};
		_cleanup_(reading_fini) struct reading reading = {.call = call};
		_cleanup_secret_ struct secret *token = NULL;
		const char *address = vault_address(v);
		enum reply_token about;
		int r, s;

		*answer = (struct vault_answer){.unsent = true};
		if (!call->anonymous && !call->token) {
			r = v->tokens.get(v->tokens.arg, call->limit, &token, err);
			if (r < 0)
				return r;
		}
		r = ask(v, call, token ? token : call->token, again, &reading, &reply, &address,
			err);
		about = reply_token(&reply);
		if (r == -EACCES && token && about != REPLY_TOKEN_FINE && !again) {
			struct err why = {0};

			s = v->tokens.rejected(v->tokens.arg, token, about == REPLY_TOKEN_DEAD,
					       call->limit, &why);
			if (s == 0)
				continue;
			if (s != -EACCES) {
				if (err)
					*err = why;
				return s;
			}
		}
		return read_answer(&reply, address, &reading, answer, r, err);
	}
}
