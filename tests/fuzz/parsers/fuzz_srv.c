// SPDX-License-Identifier: Apache-2.0
/* Answers of DNS. */

#include "fuzz.h"

#include "http/srv.h"

int fuzz_one(const char *text, size_t len)
{
	struct srv_target target;

	if (srv_read((const unsigned char *)text, len, (uint32_t)len, &target))
		fuzz_check(strlen(target.host) < SRV_NAME_MAX);
	return 0;
}
