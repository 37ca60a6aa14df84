// SPDX-License-Identifier: Apache-2.0
/* Redirects and retries, around one exchange.
 *
 * A standby sends 307 with an address where the same request is to go, with its method, body and
 * token: at most one such step is taken, and never from HTTPS to plain HTTP (the official client's
 * rule, api/client.go). */

#include "http/retry.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>

#define RETRY_AFTER_MAX (30 * NS_PER_SEC)

static bool is_redirect(const struct http_reply *reply)
{
	return reply->fault == HTTP_ANSWERED && reply->location &&
	       (reply->status == 301 || reply->status == 302 || reply->status == 307);
}

/* Splits "https://host:port/path" at the path. NULL where it has no host. */
static const char *path_of(const char *url)
{
	const char *p = strstr(url, "://");

	return p ? strchr(p + 3, '/') : NULL;
}

static void follow(struct http *h, const struct http_request *req, struct http_reply *reply)
{
	_cleanup_free_ char *location = steal(reply->location);
	_cleanup_free_ char *address = NULL;
	struct http_request next = *req;
	const char *path = location;

	if (location[0] != '/') {
		path = path_of(location);
		if (!path || strncmp(location, "http", 4) != 0)
			return; /* the redirect itself is the answer, and will be no success */
		if (!strncmp(http_address(h), "https:", 6) && strncmp(location, "https:", 6) != 0) {
			reply->fault = HTTP_DOWNGRADE;
			snprintf(reply->why, sizeof(reply->why), "redirected to %.200s", location);
			return;
		}
		address = strndup(location, (size_t)(path - location));
		if (!address)
			return;
	}
	next.path = path;
	http_reply_fini(reply);
	http_exchange_at(h, address ? address : http_address(h), &next, reply);
}

void http_retry(struct http *h, const struct http_request *req, const struct retry_policy *policy,
		struct http_reply *reply)
{
	bool sent = false, repeated = false;

	for (unsigned attempt = 1;; attempt++) {
		uint64_t now, pause;

		http_exchange(h, req, reply);
		if (is_redirect(reply))
			follow(h, req, reply);
		/* Whether any of the attempts may have reached the server. */
		sent = reply->sent |= sent;
		repeated = reply->repeated |= repeated;
		if (attempt > policy->retries || !policy->again(req, reply))
			return;
		pause = attempt * clock_jitter(NS_PER_SEC);
		if (reply->retry_after)
			pause = reply->retry_after < RETRY_AFTER_MAX ? reply->retry_after
								     : RETRY_AFTER_MAX;
		now = clock_mono();
		if (now + pause >= req->limit.deadline ||
		    cancel_sleep(req->limit.cancel, now + pause))
			return;
		http_reply_fini(reply);
	}
}
