/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VAULT_REPLY_H
#define VAULT_REPLY_H

#include "base/err.h"
#include "base/json.h"
#include "http/http.h"

/* What an answer means. HTTP statuses and transport faults become errnos here and nowhere else; the
 * table is in vaultfs-files(7), ERROR NUMBERS. */

/* 0 for success. -errno otherwise, with a sentence that holds the server's own words. `address` is
 * who was asked. */
int reply_verdict(const struct http_reply *reply, const char *address, struct err *err);

/* Whether a sentence of reply_verdict() is that there is no engine of this kind at the path. */
bool reply_is_misplaced(const struct err *err);

/* The "errors" of an answer in one line, "" where it has none. */
void reply_words(const cJSON *json, char *to, size_t room);

/* Whether an answer of failure is somebody else's, who stands between us and the server: it would be
 * believed about the path, and is not in the server's own form. An outage needs no form. */
bool reply_is_foreign(const struct http_request *req, const struct http_reply *reply);

/* Whether the server says that it has not done what was asked for, and another may. */
bool reply_unacted(const struct http_reply *reply);

/* Whether the same request may succeed in a moment. For requests that change something: only where
 * the server has surely not acted on this one. */
bool reply_transient(const struct http_request *req, const struct http_reply *reply);

/* Whose doing it is that a request failed. */
enum reply_blame {
	REPLY_BLAME_NOBODY, /* it did not: others get such an answer too, if only "not there" */
	REPLY_BLAME_PATH, /* what was asked for is refused, or limited, or broken: 403, 429, 500 */
	REPLY_BLAME_SERVER, /* no answer, or from what cannot serve: sealed, no leader, a gateway */
	REPLY_BLAME_US,	    /* nothing was learnt: we gave up */
};
enum reply_blame reply_blame(const struct http_reply *reply);

/* Whether a refusal is about the token and not about the path. */
enum reply_token {
	REPLY_TOKEN_FINE,
	REPLY_TOKEN_DEAD,
	REPLY_TOKEN_DOUBTFUL, /* OpenBao says so little: ask lookup-self */
};
enum reply_token reply_token(const struct http_reply *reply);

/* Whether an errno says that the server could not be asked, rather than what it answered. */
bool reply_is_outage(int code);

#endif
