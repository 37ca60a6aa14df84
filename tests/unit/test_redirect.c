// SPDX-License-Identifier: Apache-2.0
/* Where a redirect leads, and where it is not followed. */

#include "exchange.h"
#include "unit_support.h"

#include "http/redirect.h"

#include <stdio.h>

TestSuite(redirect, .init = support_init, .fini = support_fini, .timeout = 120);

static const char *location;
static char asked[200]; /* the last address and path, with a blank between */
static int times;

static void exchange(struct http *h, const struct http_request *req, struct http_reply *reply)
{
	(void)h;
	*reply = (struct http_reply){.status = 307, .location = strdup(location)};
	snprintf(asked, sizeof(asked), "%s %s", req->address, req->path);
	times++;
}

static enum http_fault ask(const char *address, const char *to)
{
	struct http_request req = {.address = address, .method = "GET", .path = "/v1/x"};
	_cleanup_reply_ struct http_reply reply = {0};

	exchange_stand_in = exchange;
	location = to;
	times = 0;
	http_ask(NULL, &req, &reply);
	cr_assert_eq(reply.status, 307);
	return reply.fault;
}

Test(redirect, it_leads_to_a_path_or_to_a_host_over_http)
{
	static const char *const rows[][3] = {
		{"http://a:1", "/v1/y?z=1", "http://a:1 /v1/y?z=1"},
		{"https://a:1", "/v1/y", "https://a:1 /v1/y"},
		{"http://a:1", "http://b:2/v1/x", "http://b:2 /v1/x"},
		{"http://a:1", "https://b/v1/x?a=b://c/d", "https://b /v1/x?a=b://c/d"},
		{"https://a:1", "https://[::1]:2/v1/x", "https://[::1]:2 /v1/x"},
		{"https://a:1", "HTTPS://b/v1/x", "HTTPS://b /v1/x"},
		{"http://a:1", "http://b/v1/@", "http://b /v1/@"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cr_assert_eq(ask(rows[i][0], rows[i][1]), HTTP_ANSWERED, "%s", rows[i][1]);
		cr_assert_str_eq(asked, rows[i][2]);
		cr_assert_eq(times, 2, "%s", rows[i][1]);
	}
}

Test(redirect, it_leads_to_no_other_protocol_and_to_no_missing_host)
{
	static const char *const rows[] = {
		"",
		"x",
		"http",
		"http:",
		"http://",
		"http:///x",
		"http://:80/x",
		"http://@/x",
		"http://user:password@b/x",
		"https:///x",
		"http:/ttp:///x",
		"http:/b/c://d",
		"http://b",
		"http://?/x",
		"https://b?a=/x",
		"http://b#/x",
		"httpx://b/x",
		"http+unix://b/x",
		"ftp://b/x",
		"file:///x",
		"unix:///x",
		" http://b/x",
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cr_assert_eq(ask("http://a:1", rows[i]), HTTP_ANSWERED, "%s", rows[i]);
		cr_assert_eq(times, 1, "%s", rows[i]);
	}
}

Test(redirect, it_leads_not_from_https_to_plain_http)
{
	cr_assert_eq(ask("https://a:1", "http://b:2/v1/x"), HTTP_DOWNGRADE);
	cr_assert_eq(times, 1);
}
