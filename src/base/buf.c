// SPDX-License-Identifier: Apache-2.0
/* Growing buffers in secret memory: bodies on their way to and from the server, and drafts. */

#include "base/buf.h"

#include "base/secmem.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define READ_BYTES 4096

void buf_fini(struct buf *b)
{
	secmem_free(b->data);
	*b = (struct buf){0};
}

void buf_reserve(struct buf *b, size_t room)
{
	size_t want = b->room ? b->room : 64;
	char *data;

	if (b->failed || (b->data && room < b->room))
		return;
	if (room > SIZE_MAX / 4) {
		b->failed = true;
		return;
	}
	while (want <= room)
		want *= 2;
	data = secmem_realloc(b->data, want);
	if (!data) {
		b->failed = true;
		return;
	}
	b->data = data;
	b->room = want;
	b->data[b->len] = '\0';
}

void buf_add(struct buf *b, const void *bytes, size_t len)
{
	if (len > SIZE_MAX / 4 - b->len) {
		b->failed = true;
		return;
	}
	buf_reserve(b, b->len + len);
	if (b->failed)
		return;
	if (len)
		memcpy(b->data + b->len, bytes, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void buf_add_str(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0) {
		b->failed = true;
		return;
	}
	buf_reserve(b, b->len + (size_t)n);
	if (b->failed)
		return;
	va_start(ap, fmt);
	vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
}

void buf_resize(struct buf *b, size_t len)
{
	buf_reserve(b, len);
	if (b->failed)
		return;
	if (len > b->len)
		memset(b->data + b->len, 0, len - b->len);
	else
		explicit_bzero(b->data + len, b->len - len);
	b->len = len;
	b->data[len] = '\0';
}

int buf_read(struct buf *b, int fd, size_t max)
{
	ssize_t n = 1;

	while (n > 0 && b->len <= max) {
		size_t had = b->len;

		buf_resize(b, had + READ_BYTES);
		if (b->failed)
			return -ENOMEM;
		n = TEMP_FAILURE_RETRY(read(fd, b->data + had, READ_BYTES));
		if (n < 0)
			n = -errno;
		buf_resize(b, had + (size_t)(n > 0 ? n : 0));
	}
	if (n < 0)
		return (int)n;
	return b->len > max ? -EFBIG : 0;
}

int buf_status(const struct buf *b)
{
	return b->failed ? -ENOMEM : 0;
}
