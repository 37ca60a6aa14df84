/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_RUN_REFERENCE_H
#define CMD_RUN_REFERENCE_H

#include "base/err.h"

#include <stddef.h>

/* References to fields in any text: "vault://secret/app/db#password"; or the short form
 * "vault://github_token.user", which is the field "value" of SOURCE/github/token/user. */
struct reference {
	size_t start, len;  /* in the text */
	char *path, *field; /* heap */
};

/* The first one at or after `from`; 0 with r->len 0 where there is none. -EINVAL for what begins as one
 * and is none, with a sentence that does not tell where. `source` is what short forms are relative to.
 * reference_fini() in any case. */
int reference_next(const char *text, size_t len, size_t from, const char *source,
		   struct reference *r, struct err *err);

/* Line and column of a byte of the text, from 1; columns in bytes. */
void reference_locate(const char *text, size_t at, size_t *line, size_t *column);

void reference_fini(struct reference *r);
#define _cleanup_reference_ _cleanup_(reference_fini)

#endif
