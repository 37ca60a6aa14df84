/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_FAILURES_H
#define NODE_FAILURES_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The last things that went wrong, for those who did not see it at the time. Each uid has a fair share
 * of the rows: the newest takes the place of the oldest of the uid that has most of them, so that
 * nobody's failures push out those of others. */
#define FAILURES_KEPT 64

struct failure {
	int64_t at; /* clock_wall() */
	int code;   /* errno */
	uid_t uid;
	char *path;    /* heap */
	char *text;    /* heap */
	char *dirs[2]; /* heap: the directories in the engine that it tells of; NULL: none */
	bool names;    /* it tells of a name in them, and not of them alone */
};

struct failures {
	size_t count; /* that there have been */
	size_t kept;
	struct failure rows[FAILURES_KEPT]; /* the oldest first */
};

/* Adds a row, with copies of all; `at` is filled in, code and text are of `err`. Without memory it is not
 * kept. */
void failures_add(struct failures *f, const struct failure *what, const struct err *err);

/* Whether the last row says the same of the same path. */
bool failures_has_just(const struct failures *f, const char *path, const struct err *err);

/* One line each, oldest first: time, path, errno, sentence. Only the rows that `shows` returns true for;
 * NULL: all. */
void failures_print(const struct failures *f, bool (*shows)(void *arg, const struct failure *row),
		    void *arg, struct buf *to);
void failures_fini(struct failures *f);

#endif
