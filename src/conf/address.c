// SPDX-License-Identifier: Apache-2.0
/* All later code compares schemes and prints addresses unchanged, so they are normalized on
 * entry. */

#include "conf/address.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool is_blank(char c)
{
	return isspace((unsigned char)c) != 0;
}

/* Writes one address of `len` bytes; returns the end of the output. */
static char *add_one(char *to, const char *from, size_t len)
{
	const char *end;
	char *scheme = to;

	while (len && is_blank(*from)) {
		from++;
		len--;
	}
	while (len && is_blank(from[len - 1]))
		len--;
	memcpy(to, from, len);
	end = memmem(to, len, "://", 3);
	for (; end && scheme < end; scheme++)
		*scheme = (char)tolower((unsigned char)*scheme);
	return to + len;
}

char *address_tidy(const char *list)
{
	char *out = malloc(strlen(list) + 1), *to = out;

	for (; out; list++) {
		size_t len = strcspn(list, ",");

		to = add_one(to, list, len);
		list += len;
		*to++ = *list;
		if (!*list)
			return out;
	}
	return NULL;
}
