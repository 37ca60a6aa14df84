/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_TRANSFER_H
#define HTTP_TRANSFER_H

#include "http/http.h"
#include "http/route.h"

#include <curl/curl.h>

/* One exchange as curl sees it: an easy handle, set up from a request; its result becomes a
 * reply. */
struct transfer {
	CURL *easy;
	struct curl_slist *headers;
	struct route route;
	struct http_reply *reply;
	size_t max_body;
	unsigned attempts; /* connections on which it was sent */
	const char *ca_path;
	struct err ca_error; /* of reading ca_path */
	char error[CURL_ERROR_SIZE];
};

/* Sets up `easy`, which stays the caller's. 0, -ENOMEM, or -EINVAL with reply->why if a header
 * would hold a control character. */
int transfer_init(struct transfer *t, CURL *easy, const struct http_config *config,
		  const struct http_request *req, struct http_reply *reply);

/* Call it when curl is done: fills the reply from the result. */
void transfer_result(struct transfer *t, CURLcode code);

void transfer_fini(struct transfer *t);

#endif
