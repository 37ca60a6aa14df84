/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_RETRY_H
#define HTTP_RETRY_H

#include "http/http.h"

/* How often, and after which replies, a request is made again. */
struct retry_policy {
	unsigned retries; /* 0: never again */
	/* Whether asking again can help and does no harm. Which answers are worth it is the
	 * server's matter, and so decided above. */
	bool (*again)(const struct http_request *req, const struct http_reply *reply);
};

/* One request with at most one redirect, tried again as the policy says, within its deadline; waits
 * as long as Retry-After says, else the attempt's number times a random 1 to 1.5 s, as the official
 * client does. Fills `reply` with the last answer. */
void http_retry(struct http *h, const struct http_request *req, const struct retry_policy *policy,
		struct http_reply *reply);

#endif
