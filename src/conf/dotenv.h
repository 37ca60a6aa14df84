/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONF_DOTENV_H
#define CONF_DOTENV_H

#include "base/buf.h"
#include "base/err.h"

/* The variables of a .env file, in secret memory. */
struct dotenv_row {
	const char *name;  /* ends with a NUL */
	const char *value; /* `len` bytes, then a NUL; holds no other */
	size_t len;
	unsigned line; /* on which it begins, from 1 */
	bool last;     /* no later row has that name: this one counts */
};

struct dotenv {
	struct dotenv_row *rows; /* as in the file */
	size_t count;
	struct buf bytes; /* what the rows point into */
};

/* The grammar is in dotenv.c. `e` is overwritten, and is for dotenv_fini() in any case. 0, -ENOMEM, or
 * -EINVAL with a sentence that names the line, and never holds a value. */
int dotenv_parse(const char *text, size_t len, struct dotenv *e, struct err *err);

/* Likewise of a file of at most DOTENV_MAX bytes, -errno of reading it; the sentence names it. `trusted`:
 * what is in it is to be served as secrets, and only a file that base/trust.h allows is read. */
#define DOTENV_MAX (4u << 20)
int dotenv_read(const char *path, bool trusted, struct dotenv *e, struct err *err);

/* The row that counts; NULL where there is none. */
const struct dotenv_row *dotenv_find(const struct dotenv *e, const char *name);

void dotenv_fini(struct dotenv *e);
#define _cleanup_dotenv_ _cleanup_(dotenv_fini)

#endif
