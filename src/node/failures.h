/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_FAILURES_H
#define NODE_FAILURES_H

#include "base/buf.h"
#include "base/err.h"

#include <stdint.h>

/* The last things that went wrong, for those who did not see it at the time. */
#define FAILURES_KEPT 64

struct failures {
	size_t count; /* that there have been */
	struct failure {
		int64_t at; /* clock_wall() */
		int code;   /* errno */
		char *path; /* heap */
		char *text; /* heap */
	} rows[FAILURES_KEPT];
};

/* In place of the oldest. Without memory it is not kept. */
void failures_add(struct failures *f, const char *path, const struct err *err);

/* One line each, oldest first: time, path, errno, sentence. */
void failures_print(const struct failures *f, struct buf *to);
void failures_fini(struct failures *f);

#endif
