/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOST_CALLBACK_H
#define HOST_CALLBACK_H

#include "base/err.h"
#include "base/secret.h"

#include <stdbool.h>
#include <stdint.h>

/* Waits for a browser that a server redirects to us: HTTP on a port of 127.0.0.1. */
struct callback;

/* NULL with `err` set, most often because the port is taken. */
struct callback *callback_new(uint16_t port, struct err *err);
void callback_free(struct callback *c);

/* Waits until clock_mono() is `deadline` for a GET of `path` with a query that `expected` accepts,
 * and tells the browser that it is done. Any other request is answered with an error and forgotten.
 * -ETIMEDOUT, -errno. */
int callback_wait(struct callback *c, const char *path, uint64_t deadline,
		  bool (*expected)(const char *query, const void *arg), const void *arg,
		  struct secret **query, struct err *err);

#endif
