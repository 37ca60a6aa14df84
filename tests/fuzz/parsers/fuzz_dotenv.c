// SPDX-License-Identifier: Apache-2.0
/* .env files. */

#include "fuzz.h"

#include "conf/dotenv.h"

int fuzz_one(const char *text, size_t len)
{
	struct dotenv e = {0};

	if (dotenv_parse(text, len, &e, NULL) == 0)
		for (size_t i = 0; i < e.count; i++)
			fuzz_check(dotenv_find(&e, e.rows[i].name) != NULL);
	dotenv_fini(&e);
	return 0;
}
