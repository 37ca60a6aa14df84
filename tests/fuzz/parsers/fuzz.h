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

/* What must hold whatever comes in. */
#define fuzz_check(condition)                                                                      \
	do {                                                                                       \
		if (!(condition))                                                                  \
			__builtin_trap();                                                          \
	} while (0)

#endif
