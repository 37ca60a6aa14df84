/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_ROUTE_H
#define HTTP_ROUTE_H

#include "http/http.h"

#include <curl/curl.h>

/* The way from here to an address: by name, by socket, through a proxy, under another name in TLS. */
struct route {
	struct curl_slist *connect_to;
	char host_header[300]; /* "": curl derives it from the URL */
};

/* Sets up `easy`, which stays the caller's, for the request's address and path. Waits for DNS if
 * services are looked up. 0 or -ENOMEM. */
int route_init(struct route *r, CURL *easy, const struct http_config *config,
	       const struct http_request *req);
void route_fini(struct route *r);

/* 0, or -EINVAL with a sentence. */
int route_check_proxy(const char *proxy, struct err *err);

#endif
