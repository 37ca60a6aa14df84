// SPDX-License-Identifier: Apache-2.0
/* Where a redirect leads: no further than once, never from HTTPS to plain HTTP, to no other protocol. The
 * network is not there: what would go out ends here. The first byte says from where; the next the status. */

#include "fuzz.h"

#include "http/redirect.h"

#include <strings.h>

void __wrap_http_exchange(struct http *h, const struct http_request *req, struct http_reply *reply);

static const char *location;
static bool secure;
static int asked;

/* A scheme may be in capitals. */
static bool starts(const char *text, const char *with)
{
	return !strncasecmp(text, with, strlen(with));
}

void __wrap_http_exchange(struct http *h, const struct http_request *req, struct http_reply *reply)
{
	*reply = (struct http_reply){.status = location[-1] & 1 ? 307 : 301};
	reply->location = strdup(location);
	fuzz_check(++asked <= 2 && *req->path == '/');
	if (asked == 2 && *location != '/') {
		const char *host = strstr(req->address, "://") + 3;

		fuzz_check(starts(req->address, "https://") ||
			   (!secure && starts(req->address, "http://")));
		fuzz_check(*host && !host[strcspn(host, "/?#")]);
		fuzz_check(starts(location, req->address) &&
			   !strcmp(location + strlen(req->address), req->path));
	}
}

int fuzz_one(const char *text, size_t len)
{
	struct http_request req = {.method = "GET", .path = "/v1/x"};
	_cleanup_reply_ struct http_reply reply = {0};

	if (len < 2)
		return 0;
	secure = text[0] & 1;
	req.address = secure ? "https://a:8200" : "http://a:8200";
	location = text + 2;
	asked = 0;
	http_ask(NULL, &req, &reply);
	fuzz_check(strlen(reply.why) < sizeof(reply.why));
	return 0;
}
