// SPDX-License-Identifier: Apache-2.0
/* Names in a directory: what is unescaped comes back by escaping, and the other way. */

#include "fuzz.h"

#include "node/name.h"

int fuzz_one(const char *text, size_t len)
{
	char name[NAME_BYTES_MAX + 1], raw[NAME_BYTES_MAX + 1], again[NAME_BYTES_MAX + 1];
	int n;

	if (name_escape(text, len, name) >= 0) {
		n = name_unescape(name, raw);
		fuzz_check(n == (int)len && !memcmp(raw, text, len));
	}
	if (len <= NAME_BYTES_MAX && strlen(text) == len) {
		n = name_unescape(text, raw);
		if (n >= 0)
			fuzz_check(name_escape(raw, (size_t)n, again) >= 0 && !strcmp(again, text));
	}
	return 0;
}
