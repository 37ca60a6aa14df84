/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/cleanup.h"

/* A failure, in a sentence for the user. It lives on the caller's stack and is always the last
 * parameter of a function that fills it; NULL if the caller wants no sentence. Never holds a secret. */
struct err {
	int code; /* a positive errno; 0: nothing is wrong */
	char text[512];
};

/* Replaces the sentence. `code` is a positive errno.
 * Returns -code, so that a function may end in `return err_set(...)`. */
int err_set(struct err *e, int code, const char *fmt, ...) _printf_(3, 4);

/* Puts "prefix: " before the existing sentence. Returns -e->code, or -EIO if e is NULL. */
int err_prefix(struct err *e, const char *fmt, ...) _printf_(2, 3);

/* The sentence, or the text of errno if there is none. Valid as long as `e` is. */
const char *err_text(const struct err *e);

/* errno's own name ("EACCES"), for logs; "0" for 0, "E?" for one we do not use. */
const char *err_name(int code);

#endif
