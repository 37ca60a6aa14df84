/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FUZZ_H
#define FUZZ_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/object.h"

#include <stdlib.h>
#include <string.h>

/* One input, which ends with a NUL that does not count. */
int fuzz_one(const char *text, size_t len);

/* A file in memory that holds the bytes: its descriptor, and the name by which it is opened. */
struct fuzz_file {
	int fd;
	char path[32];
};
struct fuzz_file fuzz_file_new(const void *bytes, size_t len);
void fuzz_file_fini(struct fuzz_file *f);
#define _cleanup_fuzz_file_ _cleanup_(fuzz_file_fini)

/* The name of a file in a directory of the harness's own, below $TMPDIR, which who runs it clears. Heap. */
char *fuzz_path(const char *name);
/* Makes that file anew of the bytes; reads it. */
void fuzz_save(const char *path, const struct buf *bytes);
void fuzz_load(const char *path, struct buf *bytes);

/* What must hold whatever comes in. */
#define fuzz_check(condition)                                                                      \
	do {                                                                                       \
		if (!(condition))                                                                  \
			__builtin_trap();                                                          \
	} while (0)

#endif
