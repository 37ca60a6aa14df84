/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIT_EXCHANGE_H
#define UNIT_EXCHANGE_H

#include "http/http.h"

/* Stands in for http_exchange() where a test sets it. */
typedef void exchange_fn(struct http *h, const struct http_request *req, struct http_reply *reply);
extern exchange_fn *exchange_stand_in;

#endif
