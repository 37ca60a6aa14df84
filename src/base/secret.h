/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include "base/cleanup.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* A token, a password or a key. Counted, because a request under way may still send the token that
 * a renewal has just replaced. There is no way to print one. */
struct secret {
	int refs; /* atomic */
	size_t len;
	char bytes[]; /* ends with a NUL that `len` does not count */
};

/* A copy of `len` bytes, in secret memory; NULL if there is none. The caller's. */
struct secret *secret_new(const char *bytes, size_t len);

/* Which part of a file is the secret. SECRET_WORD: all but white space at both ends, for tokens.
 * SECRET_LINE: all but one line break at the end; a password may begin and end with blanks. */
enum secret_form { SECRET_WORD, SECRET_LINE };

/* Reads a file that decides who we are (base/trust.h), at most `max` bytes. 0, -errno of open(2) or
 * read(2), -EPERM, -EFBIG, or -ENODATA if it is empty. The sentence gives the reason; the caller prefixes
 * the file's purpose. */
int secret_from_file(const char *path, size_t max, enum secret_form form, struct secret **out,
		     struct err *err);

/* Takes the secret from a text; errors as for a file, without a sentence. */
int secret_from_text(const char *text, size_t len, enum secret_form form, struct secret **out);

/* Reads any kind of descriptor to its end; errors as for a file, without a sentence. */
int secret_from_fd(int fd, size_t max, enum secret_form form, struct secret **out);

/* Replaces a file atomically: a reader sees the old content or the new. Only its owner may read it.
 * 0 or -errno. */
int secret_to_file(const struct secret *s, const char *path);

struct secret *secret_ref(struct secret *s);
void secret_put(struct secret *s);

/* Takes the same time wherever they differ. NULL equals only NULL. */
bool secret_equal(const struct secret *a, const struct secret *b);

static inline void cleanup_secret(struct secret **s)
{
	secret_put(*s);
}
#define _cleanup_secret_ _cleanup_(cleanup_secret)

#endif
