/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VAULT_REPLY_H
#define VAULT_REPLY_H

#include "base/err.h"
#include "base/json.h"
#include "http/http.h"

/* The meaning of an answer. HTTP statuses and transport faults become errnos here and nowhere else;
 * the table is in vaultfs-files(7), ERROR NUMBERS. */

/* 0 for success; else -errno, with a sentence that holds the server's own words. `address`: the
 * server that was asked. */
int reply_verdict(const struct http_reply *reply, const char *address, struct err *err);

/* Whether a sentence of reply_verdict() says that no engine of this kind is at the path. */
bool reply_is_misplaced(const struct err *err);

/* The "errors" of an answer in one line; "" if it has none. */
void reply_words(const cJSON *json, char *to, size_t room);

/* Whether something between us and the server sent this failure: we would believe it about the
 * path, yet it is not in the server's own form. An outage needs no form. */
bool reply_is_foreign(const struct http_request *req, const struct http_reply *reply);

/* Whether the server says that it has not acted on the request, and another server may. */
bool reply_unacted(const struct http_reply *reply);

/* Whether the same request may succeed in a moment. For a request that changes something: only if
 * the server has surely not acted on it. */
bool reply_transient(const struct http_request *req, const struct http_reply *reply);

/* The cause of a failed request. */
enum reply_blame {
	REPLY_BLAME_NOBODY, /* no failure: others get such an answer too, if only "not there" */
	REPLY_BLAME_PATH,   /* this path is refused, limited or broken: 403, 429, 500 */
	REPLY_BLAME_SERVER, /* no answer, or the server cannot serve: sealed, no leader, a gateway */
	REPLY_BLAME_US,	    /* we gave up and know nothing */
};
enum reply_blame reply_blame(const struct http_reply *reply);

/* Whether a refusal concerns the token, not the path. */
enum reply_token {
	REPLY_TOKEN_FINE,
	REPLY_TOKEN_DEAD,
	REPLY_TOKEN_DOUBTFUL, /* OpenBao's answer does not tell: ask lookup-self */
};
enum reply_token reply_token(const struct http_reply *reply);

/* Whether an errno means that the server could not be asked, and is not its answer. */
bool reply_is_outage(int code);

#endif
