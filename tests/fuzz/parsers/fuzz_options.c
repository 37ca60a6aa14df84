// SPDX-License-Identifier: Apache-2.0
/* What follows -o. */

#include "fuzz.h"

#include "conf/conf.h"

int fuzz_one(const char *text, size_t len)
{
	struct conf c;

	if (conf_init(&c, NULL) == 0)
		conf_read_options(&c, text, NULL);
	conf_fini(&c);
	return 0;
}
