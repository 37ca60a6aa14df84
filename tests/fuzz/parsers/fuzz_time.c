// SPDX-License-Identifier: Apache-2.0
/* Durations and times. */

#include "fuzz.h"

#include "base/clock.h"

int fuzz_one(const char *text, size_t len)
{
	uint64_t ns;

	(void)len;
	clock_parse_duration(text, &ns);
	clock_parse_rfc3339(text);
	return 0;
}
