// SPDX-License-Identifier: Apache-2.0
/* From HTTP to errno.
 *
 * Vault and OpenBao tell most things apart by the text alone: 400 may be a lost check-and-set, 500
 * may be a value that will never fit, 403 may be a dead token. The texts are those of their sources
 * (sdk/logical/response_util.go, vault/request_handling.go, kv's path_data.go, http/handler.go);
 * what is not known is judged by the status. */

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
};

static const struct rule rules[] = {
	{400, "check-and-set parameter did not match", EBUSY, false},
	{400, "Upgrading from non-versioned", EIO, true},
	{400, "exceeded maximum number of strings", E2BIG, false},
	{400, "", EINVAL, false},
	{403, "", EACCES, false},
	{404, "namespace not found", EIO, false},
	{404, "no handler for route", EIO, false},
	{404, "", ENOENT, false},
	{405, "", EOPNOTSUPP, false},
	{412, "", EIO, true},
	{413, "", EFBIG, false},
	{429, "", EAGAIN, true},
	{500, "string value exceeds allowed length", EFBIG, false},
	{500, "value being too large", EFBIG, false},
	{500, "key being too large", ENAMETOOLONG, false},
	{500, "exceeds allowed entry count", E2BIG, false},
	{500, "exceeds allowed element count", E2BIG, false},
	{500, "exceeds allowed token count", E2BIG, false},
	{500, "exceeds allowed nesting depth", E2BIG, false},
	{500, "duplicate key", EINVAL, false},
	{500, "file name too long", ENAMETOOLONG, false},
	{500, "", EIO, true},
	{502, "", EIO, true},
	{503, "", EIO, true},
	{504, "", EIO, true},
};
static const struct rule nonsense = {0, "", EIO, false};

static const struct {
	enum http_fault fault;
	int code;
	bool transient;
	const char *what;
} faults[] = {
	{HTTP_NO_HOST, EHOSTUNREACH, true, "cannot reach"},
	{HTTP_NO_CONNECT, EHOSTUNREACH, true, "cannot reach"},
	{HTTP_TLS, EHOSTUNREACH, false, "no secure connection to"},
	{HTTP_TIMEOUT, ETIMEDOUT, false, "no answer in time from"},
	{HTTP_BROKEN, EHOSTUNREACH, true, "no answer from"},
	{HTTP_NONSENSE, EIO, false, "no sense in the answer from"},
	{HTTP_TOO_LARGE, EIO, false, "too long an answer from"},
	{HTTP_CANCELLED, EINTR, false, "interrupted while asking"},
	{HTTP_NO_MEMORY, ENOMEM, false, "no memory while asking"},
	{HTTP_DOWNGRADE, EIO, false, "not followed, since not encrypted: answer from"},
};

static const struct rule *find_rule(const struct http_reply *reply)
{
	const char *body = reply->body.data ? reply->body.data : "";

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
	/* Only answers of failure are read here: those of success hold secrets. */
	if (reply->body.len)
		json_parse(reply->body.data, reply->body.len, &json, NULL);
	reply_words(json, words, sizeof(words));
	return err_set(err, code, "%s answered %ld%s%s", address, reply->status,
		       words[0] ? " " : "", words);
}

static bool is_read(const struct http_request *req)
{
	return !strcmp(req->method, "GET") || !strcmp(req->method, "LIST");
}

bool reply_transient(const struct http_request *req, const struct http_reply *reply)
{
	if (reply->fault != HTTP_ANSWERED) {
		for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
			if (faults[i].fault == reply->fault)
				return faults[i].transient && (is_read(req) || !reply->sent);
		return false;
	}
	/* 500, and a gateway's 502 and 504, leave open whether it was done. */
	if (!is_read(req) && (reply->status == 500 || reply->status == 502 || reply->status == 504))
		return false;
	return reply->status >= 400 && find_rule(reply)->transient;
}

enum reply_token reply_token(const struct http_reply *reply)
{
	const char *body = reply->body.data ? reply->body.data : "";

	if (reply->fault != HTTP_ANSWERED || reply->status != 403)
		return REPLY_TOKEN_FINE;
	if (strstr(body, "invalid token"))
		return REPLY_TOKEN_DEAD;
	/* A policy's refusal comes as "1 error occurred: ...", one of the token bare. */
	if (strstr(body, "[\"permission denied\"]"))
		return REPLY_TOKEN_DOUBTFUL;
	return REPLY_TOKEN_FINE;
}

bool reply_is_outage(int code)
{
	return code == EHOSTUNREACH || code == ETIMEDOUT || code == EIO || code == EAGAIN;
}
