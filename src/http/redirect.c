// SPDX-License-Identifier: Apache-2.0
/* Redirects, around one exchange.
 *
 * A standby sends 307 with another address for the request, including its method, body and token. At most
 * one redirect is followed, and never from HTTPS to plain HTTP (the official client's rule,
 * api/client.go). */

#include "http/redirect.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool is_redirect(const struct http_reply *reply)
{
	return reply->fault == HTTP_ANSWERED && reply->location &&
	       (reply->status == 301 || reply->status == 302 || reply->status == 307);
}

/* Returns the path of "https://host:port/path". NULL if there is no host, another protocol, or a
 * user name: no server has reason to choose credentials for us. */
static const char *path_of(const char *url)
{
	const char *host = !strncasecmp(url, "https://", 8)  ? url + 8
			   : !strncasecmp(url, "http://", 7) ? url + 7
							     : NULL;
	const char *end = host ? host + strcspn(host, "/?#") : NULL;

	if (!end || end == host || *host == ':' || memchr(host, '@', (size_t)(end - host)))
		return NULL;
	return *end == '/' ? end : NULL;
}

static void follow(struct http *h, const struct http_request *req, struct http_reply *reply)
{
	_cleanup_free_ char *location = steal(reply->location);
	_cleanup_free_ char *address = NULL;
	struct http_request next = *req;
	const char *path = location;

	if (location[0] != '/') {
		path = path_of(location);
		if (!path)
			return; /* the redirect itself is the answer, and counts as a failure */
		if (!strncmp(req->address, "https:", 6) &&
		    strncasecmp(location, "https:", 6) != 0) {
			reply->fault = HTTP_DOWNGRADE;
			snprintf(reply->why, sizeof(reply->why), "redirected to %.200s", location);
			return;
		}
		address = strndup(location, (size_t)(path - location));
		if (!address)
			return;
		next.address = address;
	}
	next.path = path;
	http_reply_fini(reply);
	http_exchange(h, &next, reply);
}

void http_ask(struct http *h, const struct http_request *req, struct http_reply *reply)
{
	http_exchange(h, req, reply);
	if (is_redirect(reply))
		follow(h, req, reply);
}
