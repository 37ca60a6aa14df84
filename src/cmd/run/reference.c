// SPDX-License-Identifier: Apache-2.0
/* Finds references. A reference extends over letters, digits and - . _ ~ % and, before the '#',
 * '/'; a dot at the end belongs to the sentence. %40 and the like encode other bytes. So
 * "postgres://app:vault://secret/db#password@host/name" means what it looks like, and so does
 * "vault://local:/srv/secrets.db/app/db#password". */

#include "cmd/run/reference.h"

#include "remote/place.h"
#include "store/local.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCHEME "vault://"

static size_t run_of(const char *s, size_t len, const char *marks)
{
	size_t n = 0;

	while (n < len && (isalnum((unsigned char)s[n]) || (s[n] && strchr(marks, s[n]))))
		n++;
	while (n && s[n - 1] == '.')
		n--;
	return n;
}

static int hex(char c)
{
	return isdigit((unsigned char)c)    ? c - '0'
	       : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10
					    : -1;
}

/* Heap; NULL: no memory. False if an escape is invalid, or stands for NUL. */
static bool unescape(const char *s, size_t len, char **out)
{
	char *to = *out = malloc(len + 1);

	for (size_t i = 0; to && i < len; i++) {
		int high, low;

		if (s[i] != '%') {
			*to++ = s[i];
			continue;
		}
		high = i + 2 < len ? hex(s[i + 1]) : -1;
		low = high >= 0 ? hex(s[i + 2]) : -1;
		if (low < 0 || high * 16 + low == 0)
			return false;
		*to++ = (char)(high * 16 + low);
		i += 2;
	}
	if (to)
		*to = '\0';
	return true;
}

static int read_long(struct reference *r, const char *path, size_t path_len, const char *field,
		     size_t field_len, struct err *err)
{
	if (!unescape(path, path_len, &r->path) || !unescape(field, field_len, &r->field))
		return err_set(err, EINVAL, "an escape is %%XX, as %%2F is");
	if (!r->path || !r->field)
		return err_set(err, ENOMEM, "no memory");
	place_tidy(r->path);
	if (!*r->path || !*r->field)
		return err_set(err, EINVAL, "a reference is " SCHEME "ENGINE/PATH#FIELD");
	return 0;
}

static int read_short(struct reference *r, const char *text, size_t len, const char *source,
		      struct err *err)
{
	if (memchr(text, '/', len) || !len)
		return err_set(err, EINVAL,
			       "a reference is " SCHEME "ENGINE/PATH#FIELD; the field is missing");
	r->field = strdup("value");
	if (!r->field || asprintf(&r->path, "%s/%.*s", source, (int)len, text) < 0) {
		r->path = NULL;
		return err_set(err, ENOMEM, "no memory");
	}
	for (char *p = r->path + strlen(source); *p; p++)
		if (*p == '.' || *p == '_')
			*p = '/';
	place_tidy(r->path);
	return 0;
}

/* Only "local:FILE/PATH" with a field may have a colon: "vault://local:5432" is the short form. */
static size_t path_len(const char *at, size_t room)
{
	static const char marks[] = "-._~%/";
	size_t store = strlen(LOCAL_SOURCE), n;

	if (room > store && !memcmp(at, LOCAL_SOURCE, store)) {
		n = store + run_of(at + store, room - store, marks);
		if (n < room && at[n] == '#')
			return n;
	}
	return run_of(at, room, marks);
}

void reference_locate(const char *text, size_t at, size_t *line, size_t *column)
{
	*line = *column = 1;
	for (size_t i = 0; i < at; i++) {
		++*column;
		if (text[i] == '\n') {
			++*line;
			*column = 1;
		}
	}
}

int reference_next(const char *text, size_t len, size_t from, const char *source,
		   struct reference *r, struct err *err)
{
	size_t scheme = strlen(SCHEME), room, n, field;
	const char *at;

	*r = (struct reference){0};
	at = from < len ? memmem(text + from, len - from, SCHEME, scheme) : NULL;
	if (!at)
		return 0;
	r->start = (size_t)(at - text);
	at += scheme;
	room = len - r->start - scheme;
	n = path_len(at, room);
	field = n + 1 < room && at[n] == '#' ? run_of(at + n + 1, room - n - 1, "-._~%") : 0;
	r->len = scheme + n + (field ? 1 + field : 0);
	return field ? read_long(r, at, n, at + n + 1, field, err)
		     : read_short(r, at, n, source, err);
}

void reference_fini(struct reference *r)
{
	free(r->path);
	free(r->field);
	*r = (struct reference){0};
}
