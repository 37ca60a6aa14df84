// SPDX-License-Identifier: Apache-2.0
/* A write-ahead log of SQLite: what comes behind damage does not mend it. */

#include "fuzz.h"

#include "store/wal_check.h"

#define PAGE 512

static bool damaged(const char *bytes, size_t len)
{
	_cleanup_fuzz_file_ struct fuzz_file f = fuzz_file_new(bytes, len);
	bool is = true;

	fuzz_check(wal_check(f.fd, PAGE, &is) == 0);
	return is;
}

int fuzz_one(const char *text, size_t len)
{
	if (damaged(text, len / 2))
		fuzz_check(damaged(text, len));
	else
		damaged(text, len);
	return 0;
}
