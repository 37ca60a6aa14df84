// SPDX-License-Identifier: Apache-2.0
/* From HTTP to errno.
 *
 * Vault and OpenBao distinguish most failures by text alone: 400 may be a lost check-and-set, 500 a
 * value that will never fit, 403 a dead token. The texts are from their sources
 * (sdk/logical/response_util.go, vault/request_handling.go, kv's path_data.go, http/handler.go);
 * unknown texts are judged by the status.
 *
 * Something between us and the server may answer in its place: a gateway without a route, a
 * firewall that dislikes a name. Its 403 or 404 says nothing about a secret, and must not remove
 * one. So we believe an answer about a path only if it looks like the server's own; any other is an
 * outage. */

#include "vault/reply.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define WORDS_MAX 300

struct rule {
	long status;
	const char *text; /* in the body; "" for any; NULL for an empty body */
	int code;
	bool transient;
	bool unacted; /* a change was surely not made */
	bool server;  /* concerns the server as a whole */
};

static const struct rule rules[] = {
	{400, "check-and-set parameter did not match", EBUSY, false},
	{400, "Upgrading from non-versioned", EIO, true, true},
	{400, "exceeded maximum number of strings", E2BIG, false},
	{400, "", EINVAL, false},
	{403, "", EACCES, false},
	{404, "namespace not found", EIO, false},
	{404, "no handler for route", EIO, false},
	{404, "Invalid path for a versioned K/V secrets engine", EIO, false},
	{404, "", ENOENT, false},
	{405, "", EOPNOTSUPP, false},
	{412, "", EIO, true, true},
	{413, "", EFBIG, false},
	{429, "", EAGAIN, true, true},
	{500, "string value exceeds allowed length", EFBIG, false},
	{500, "value being too large", EFBIG, false},
	{500, "key being too large", ENAMETOOLONG, false},
	{500, "exceeds allowed entry count", E2BIG, false},
	{500, "exceeds allowed element count", E2BIG, false},
	{500, "exceeds allowed token count", E2BIG, false},
	{500, "exceeds allowed nesting depth", E2BIG, false},
	{500, "duplicate key", EINVAL, false},
	{500, "file name too long", ENAMETOOLONG, false},
	{500, "active cluster node not found", EIO, true, true, true},
	{500, "", EIO, true},
	{502, "", EIO, true, false, true},
	{503, "", EIO, true, true, true},
	{504, "", EIO, true, false, true},
};
static const struct rule nonsense = {0, "", EIO, false};
/* One redirect was followed already. Another leads nowhere: nothing was done. */
static const struct rule redirect = {0, "", EIO, true, true, true};

static const struct {
	enum http_fault fault;
	int code;
	bool transient;
	enum reply_blame blame;
	const char *what;
} faults[] = {
	{HTTP_NO_HOST, EHOSTUNREACH, true, REPLY_BLAME_SERVER, "cannot reach"},
	{HTTP_NO_CONNECT, EHOSTUNREACH, true, REPLY_BLAME_SERVER, "cannot reach"},
	{HTTP_TLS, EHOSTUNREACH, false, REPLY_BLAME_SERVER, "no secure connection to"},
	{HTTP_TIMEOUT, ETIMEDOUT, false, REPLY_BLAME_SERVER, "no answer in time from"},
	{HTTP_BROKEN, EHOSTUNREACH, true, REPLY_BLAME_SERVER, "no answer from"},
	{HTTP_NONSENSE, EIO, false, REPLY_BLAME_PATH, "no sense in the answer from"},
	{HTTP_TOO_LARGE, EIO, false, REPLY_BLAME_PATH, "too long an answer from"},
	{HTTP_CANCELLED, EINTR, false, REPLY_BLAME_US, "interrupted while asking"},
	{HTTP_NO_MEMORY, ENOMEM, false, REPLY_BLAME_US, "no memory while asking"},
	{HTTP_DOWNGRADE, EIO, false, REPLY_BLAME_SERVER,
	 "not followed, since not encrypted: answer from"},
	{HTTP_FOREIGN, EIO, false, REPLY_BLAME_PATH, "cannot use the answer from"},
};

static const struct rule *find_rule(const struct http_reply *reply)
{
	const char *body = reply->body.data ? reply->body.data : "";

	if (reply->status >= 300 && reply->status <= 399)
		return &redirect;
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
		if (rules[i].status == reply->status && strstr(body, rules[i].text))
			return &rules[i];
	return &nonsense;
}

/* "1 error occurred:\n\t* permission denied\n\n" -> "permission denied": Go's multierror, undone. */
static void strip_multierror(char *words)
{
	const char *from = strstr(words, "occurred:");
	char *to = words;

	if (!from || from - words > 24)
		return;
	for (from += strlen("occurred:"); *from; from++) {
		if (!strncmp(from, "\n\t* ", 4)) {
			if (to > words) {
				*to++ = ',';
				*to++ = ' ';
			}
			from += 3;
		} else if (*from != '\n') {
			*to++ = *from;
		}
	}
	*to = '\0';
}

void reply_words(const cJSON *json, char *to, size_t room)
{
	const cJSON *errors = json_get(json, "errors");
	size_t n = 0;

	to[0] = '\0';
	for (const cJSON *e = errors ? errors->child : NULL; e; e = e->next)
		if (cJSON_IsString(e) && n < room)
			n += (size_t)snprintf(to + n, room - n, "%s%s", n ? "; " : "",
					      e->valuestring);
	strip_multierror(to);
}

static int fault_verdict(const struct http_reply *reply, const char *address, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
		if (faults[i].fault == reply->fault)
			return err_set(err, faults[i].code, "%s %s: %s", faults[i].what, address,
				       reply->why);
	return err_set(err, EIO, "%s: %s", address, reply->why);
}

int reply_verdict(const struct http_reply *reply, const char *address, struct err *err)
{
	_cleanup_json_ cJSON *json = NULL;
	char words[WORDS_MAX];
	int code;

	if (reply->fault != HTTP_ANSWERED)
		return fault_verdict(reply, address, err);
	if (reply->status >= 200 && reply->status <= 299)
		return 0;
	code = find_rule(reply)->code;
	/* Read only failures here: successful answers hold secrets. */
	if (reply->body.len)
		json_parse(reply->body.data, reply->body.len, &json, NULL);
	reply_words(json, words, sizeof(words));
	return err_set(err, code, "%s answered %ld%s%s", address, reply->status,
		       words[0] ? " " : "", words);
}

/* A missing secret is never EIO; with a 404 only a missing engine is. */
bool reply_is_misplaced(const struct err *err)
{
	return err->code == EIO && strstr(err->text, " answered 404");
}

/* Has "errors" with only strings, or a part of the envelope that all other answers have. */
static bool is_servers_json(const cJSON *json)
{
	const cJSON *errors = json_get(json, "errors");

	if (!cJSON_IsArray(errors))
		return cJSON_IsObject(json_get(json, "data")) ||
		       cJSON_IsString(json_get(json, "request_id"));
	for (const cJSON *e = errors->child; e; e = e->next)
		if (!cJSON_IsString(e))
			return false;
	return true;
}

/* The server's own empty failures: it cannot print a character of the path, or the secret to patch
 * does not exist. */
static bool may_be_empty(const struct http_request *req, const struct http_reply *reply)
{
	return (reply->status == 400 && strchr(req->path, '%')) ||
	       (reply->status == 404 && !strcmp(req->method, "PATCH"));
}

bool reply_is_foreign(const struct http_request *req, const struct http_reply *reply)
{
	_cleanup_json_ cJSON *json = NULL;

	if (reply->fault != HTTP_ANSWERED || reply->status < 400 ||
	    reply_is_outage(find_rule(reply)->code))
		return false;
	if (!reply->body.len)
		return !may_be_empty(req, reply);
	json_parse(reply->body.data, reply->body.len, &json, NULL);
	return !is_servers_json(json);
}

bool reply_unacted(const struct http_reply *reply)
{
	if (reply->fault == HTTP_DOWNGRADE)
		return true;
	return reply->fault == HTTP_ANSWERED && reply->status >= 300 && find_rule(reply)->unacted;
}

bool reply_transient(const struct http_request *req, const struct http_reply *reply)
{
	const struct rule *rule = find_rule(reply);

	if (reply->fault == HTTP_ANSWERED)
		return reply->status >= 300 && rule->transient &&
		       (rule->unacted || http_reads(req));
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
		if (faults[i].fault == reply->fault)
			return faults[i].transient && (http_reads(req) || !reply->sent);
	return false;
}

enum reply_blame reply_blame(const struct http_reply *reply)
{
	long status = reply->status;

	for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
		if (faults[i].fault == reply->fault)
			return faults[i].blame;
	if (status >= 300 && find_rule(reply)->server)
		return REPLY_BLAME_SERVER;
	return status == 403 || status == 412 || status == 429 || status >= 500
		       ? REPLY_BLAME_PATH
		       : REPLY_BLAME_NOBODY;
}

enum reply_token reply_token(const struct http_reply *reply)
{
	const char *body = reply->body.data ? reply->body.data : "";

	if (reply->fault != HTTP_ANSWERED || reply->status != 403)
		return REPLY_TOKEN_FINE;
	if (strstr(body, "invalid token"))
		return REPLY_TOKEN_DEAD;
	/* A policy's refusal comes as "1 error occurred: ...", a dead token's without a prefix. */
	if (strstr(body, "[\"permission denied\"]"))
		return REPLY_TOKEN_DOUBTFUL;
	return REPLY_TOKEN_FINE;
}

bool reply_is_outage(int code)
{
	return code == EHOSTUNREACH || code == ETIMEDOUT || code == EIO || code == EAGAIN;
}
