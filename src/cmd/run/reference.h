/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_RUN_REFERENCE_H
#define CMD_RUN_REFERENCE_H

#include "base/err.h"

#include <stddef.h>

/* References to fields in any text: "vault://secret/app/db#password"; or the short form
 * "vault://github_token.user": the field "value" of SOURCE/github/token/user. */
struct reference {
	size_t start, len;  /* in the text */
	char *path, *field; /* heap */
};

/* Finds the first reference at or after `from`; 0 with r->len 0 if there is none. -EINVAL if
 * something begins like a reference and is invalid, with a sentence that does not say where. Short
 * forms are relative to `source`. reference_fini() in any case. */
int reference_next(const char *text, size_t len, size_t from, const char *source,
		   struct reference *r, struct err *err);

/* Line and column of a byte of the text, from 1; columns in bytes. */
void reference_locate(const char *text, size_t at, size_t *line, size_t *column);

void reference_fini(struct reference *r);
#define _cleanup_reference_ _cleanup_(reference_fini)

#endif
