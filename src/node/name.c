// SPDX-License-Identifier: Apache-2.0
/* Names, there and back. */

#include "node/name.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *bytes, *name;
} whole[] = {{"", "%"}, {".", "%2E"}, {"..", "%2E%2E"}, {".vault", "%2Evault"}};

static const char *escape_of(char c)
{
	switch (c) {
	case '/':
		return "%2F";
	case '%':
		return "%25";
	case '\0':
		return "%00";
	default:
		return NULL;
	}
}

int name_escape(const char *bytes, size_t len, char to[NAME_BYTES_MAX + 1])
{
	size_t n = 0;

	for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++) {
		if (strlen(whole[i].bytes) == len && !memcmp(whole[i].bytes, bytes, len)) {
			strcpy(to, whole[i].name);
			return (int)strlen(to);
		}
	}
	for (size_t i = 0; i < len; i++) {
		const char *escape = escape_of(bytes[i]);
		size_t width = escape ? 3 : 1;

		if (n + width > NAME_BYTES_MAX)
			return -ENAMETOOLONG;
		memcpy(to + n, escape ? escape : &bytes[i], width);
		n += width;
	}
	to[n] = '\0';
	return (int)n;
}

int name_unescape(const char *name, char to[NAME_BYTES_MAX + 1])
{
	char again[NAME_BYTES_MAX + 1];
	size_t n = 0;
	const char *p = name;

	for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++) {
		if (!strcmp(whole[i].name, name)) {
			strcpy(to, whole[i].bytes);
			return (int)strlen(to);
		}
	}
	if (strlen(name) > NAME_BYTES_MAX)
		return -EINVAL;
	while (*p) {
		if (*p != '%') {
			to[n++] = *p++;
			continue;
		}
		if (!strncmp(p, "%2F", 3))
			to[n++] = '/';
		else if (!strncmp(p, "%25", 3))
			to[n++] = '%';
		else if (!strncmp(p, "%00", 3))
			to[n++] = '\0';
		else
			return -EINVAL;
		p += 3;
	}
	to[n] = '\0';
	/* ".vault" itself, say, is what no bytes are written as. */
	if (name_escape(to, n, again) < 0 || strcmp(again, name) != 0)
		return -EINVAL;
	return (int)n;
}

struct fields_key fields_key_of(const char *name)
{
	struct fields_key key;

	snprintf(key.text, sizeof(key.text), FIELDS_PREFIX "%s", name);
	return key;
}

const char *fields_name(const char *node_name)
{
	size_t len = strlen(FIELDS_PREFIX);

	return strncmp(node_name, FIELDS_PREFIX, len) == 0 ? node_name + len : NULL;
}
