// SPDX-License-Identifier: Apache-2.0
/* References to fields in any text. */

#include "fuzz.h"

#include "cmd/run/reference.h"

int fuzz_one(const char *text, size_t len)
{
	size_t at = 0, line, column;

	for (;;) {
		struct reference r = {0};
		int s = reference_next(text, len, at, "secret", &r, NULL);

		if (s == 0 && r.len) {
			fuzz_check(r.start >= at && r.start + r.len <= len);
			at = r.start + r.len;
			reference_locate(text, r.start, &line, &column);
		}
		s = s < 0 || !r.len;
		reference_fini(&r);
		if (s)
			break;
	}
	return 0;
}
