// SPDX-License-Identifier: Apache-2.0
/* Errors that a person will read.
 *
 * The one convention of the program: a function returns 0 or -errno, and explains it in a `struct err`
 * that its caller owns. Words of a server pass through here, so control characters are removed: they
 * would break a log line or steer a terminal (base/visible.h). */

#include "base/err.h"

#include "base/visible.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void make_printable(char *s)
{
	char *to = s;
	const char *start = s;

	while (*s) {
		char shown[VISIBLE_ROOM];
		bool ink;
		size_t n = visible_char(s, strlen(s), shown, &ink);
		bool blank = *s == ' ' || *s == '\n' || *s == '\t' || *s == '\r';

		if (!blank && ink)
			to = (char *)memmove(to, s, n) + n;
		else if (!blank)
			*to++ = '?';
		else if (to == start || to[-1] != ' ')
			*to++ = ' ';
		s += n;
	}
	*to = '\0';
}

int err_set(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;

	if (!e)
		return -code;
	e->code = code;
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	make_printable(e->text);
	return -code;
}

int err_prefix(struct err *e, const char *fmt, ...)
{
	char old[sizeof(e->text)];
	va_list ap;
	size_t n;

	if (!e)
		return -EIO;
	memcpy(old, err_text(e), strlen(err_text(e)) + 1);
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	n = strlen(e->text);
	snprintf(e->text + n, sizeof(e->text) - n, ": %s", old);
	make_printable(e->text);
	return -(e->code ? e->code : EIO);
}

const char *err_text(const struct err *e)
{
	return e->text[0] ? e->text : strerror(e->code);
}

const char *err_name(int code)
{
	const char *name = code ? strerrorname_np(code) : "0";

	return name ? name : "E?";
}
