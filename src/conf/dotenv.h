/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONF_DOTENV_H
#define CONF_DOTENV_H

#include "base/buf.h"
#include "base/err.h"

/* The variables of a .env file, in secret memory. */
struct dotenv_row {
	const char *name;  /* ends with a NUL */
	const char *value; /* `len` bytes, then a NUL; no other NUL is in it */
	size_t len;
	unsigned line; /* where it begins, from 1 */
	bool last;     /* no later row has this name: this row wins */
};

struct dotenv {
	struct dotenv_row *rows; /* in the file's order */
	size_t count;
	struct buf bytes; /* the rows point into it */
};

/* The grammar is in dotenv.c. Overwrites `e`; call dotenv_fini() in any case. 0, -ENOMEM, or
 * -EINVAL with a sentence that names the line, and never holds a value. */
int dotenv_parse(const char *text, size_t len, struct dotenv *e, struct err *err);

/* Reads a file of at most DOTENV_MAX bytes. 0, -errno of reading it, or an error of dotenv_parse();
 * the sentence names the file. `trusted`: its values are served as secrets, so base/trust.h must
 * allow it. */
#define DOTENV_MAX (4u << 20)
int dotenv_read(const char *path, bool trusted, struct dotenv *e, struct err *err);

/* The last row of that name; NULL if there is none. */
const struct dotenv_row *dotenv_find(const struct dotenv *e, const char *name);

void dotenv_fini(struct dotenv *e);
#define _cleanup_dotenv_ _cleanup_(dotenv_fini)

#endif
