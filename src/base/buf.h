/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/cleanup.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that grow, in secret memory. A failed allocation is remembered: add all you want, then ask
 * once whether it went well. `data` always ends with a NUL that `len` does not count. */
struct buf {
	char *data; /* NULL while nothing was added */
	size_t len;
	size_t room;
	bool failed;
};

void buf_fini(struct buf *b);

/* Makes room for `room` bytes at once. */
void buf_reserve(struct buf *b, size_t room);

void buf_add(struct buf *b, const void *bytes, size_t len);
void buf_add_str(struct buf *b, const char *s);
void buf_printf(struct buf *b, const char *fmt, ...) _printf_(2, 3);

/* Sets the length to `len`; bytes that are new are zero. */
void buf_resize(struct buf *b, size_t len);

/* Appends the rest of a descriptor. 0, -EFBIG if the buffer would exceed `max` bytes, -ENOMEM, or -errno
 * of read(2). */
int buf_read(struct buf *b, int fd, size_t max);

/* 0, or -ENOMEM if anything above failed. */
int buf_status(const struct buf *b);

#define _cleanup_buf_ _cleanup_(buf_fini)

#endif
