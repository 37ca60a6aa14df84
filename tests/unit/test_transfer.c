// SPDX-License-Identifier: Apache-2.0
/* A header is one line, wherever its value comes from: tokens come from files and servers, host
 * names from DNS, namespaces from the environment. */

#include "unit_support.h"

#include "http/transfer.h"

#include <errno.h>
#include <string.h>

TestSuite(transfer, .timeout = 60);

static int prepare(const struct http_request *like, struct http_reply *reply)
{
	struct http_request req = *like;
	const struct http_config config = {.connections = 1};
	CURL *easy = curl_easy_init();
	struct transfer t;
	int r;

	req.method = "GET";
	req.address = "http://127.0.0.1:1";
	req.path = "/v1/x";
	req.limit.deadline = UINT64_MAX;
	*reply = (struct http_reply){0};
	r = transfer_init(&t, easy, &config, &req, reply);
	transfer_fini(&t);
	curl_easy_cleanup(easy);
	return r;
}

Test(transfer, no_header_holds_a_control_character)
{
	static const char *const bad[] = {"a\r\nX-Evil: 1", "a\nb", "\x01", "a\x7f"};
	struct http_reply reply;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_secret_ struct secret *token = secret_new(bad[i], strlen(bad[i]));
		const struct http_request all[] = {
			{.wire_namespace = bad[i]},
			{.token = token},
			{.extra_name = "Authorization", .extra_value = bad[i]},
			{.extra_name = bad[i], .extra_value = "x"},
		};

		for (size_t k = 0; k < ARRAY_SIZE(all); k++) {
			cr_expect_eq(prepare(&all[k], &reply), -EINVAL, "%zu %zu", i, k);
			cr_expect_not_null(strstr(reply.why, "control character"));
		}
	}
	cr_assert_eq(prepare(&(struct http_request){.wire_namespace = "t\xc3\xa4m/a b"}, &reply),
		     0);
}
