/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_REDIRECT_H
#define HTTP_REDIRECT_H

#include "http/http.h"

/* One request, following at most one redirect. Fills `reply` with the last answer; the caller frees
 * it by http_reply_fini(). */
void http_ask(struct http *h, const struct http_request *req, struct http_reply *reply);

#endif
