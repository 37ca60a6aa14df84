// SPDX-License-Identifier: Apache-2.0
/* A configuration file as a whole. */

#include "fuzz.h"

#include "conf/conf.h"

int fuzz_one(const char *text, size_t len)
{
	_cleanup_fuzz_file_ struct fuzz_file f = fuzz_file_new(text, len);
	struct err err = {0};
	struct conf c;

	if (conf_init(&c, NULL) == 0 && conf_read_file(&c, f.path, &err) < 0)
		fuzz_check(err.code && *err_text(&err));
	conf_fini(&c);
	return 0;
}
