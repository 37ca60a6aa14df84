/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOST_CALLBACK_H
#define HOST_CALLBACK_H

#include "base/err.h"
#include "base/secret.h"

#include <stdbool.h>
#include <stdint.h>

/* Waits for a browser that somebody sends back to us: HTTP on a port of 127.0.0.1. */
struct callback;

/* NULL with `err` set, above all where the port is taken. */
struct callback *callback_new(uint16_t port, struct err *err);
void callback_free(struct callback *c);

/* The query of the first GET of `path` that `expected` takes, until clock_mono() is `deadline`; the
 * browser is told that it is done. Whatever else comes is answered with an error and forgotten.
 * -ETIMEDOUT, -errno. */
int callback_wait(struct callback *c, const char *path, uint64_t deadline,
		  bool (*expected)(const char *query, const void *arg), const void *arg,
		  struct secret **query, struct err *err);

#endif
