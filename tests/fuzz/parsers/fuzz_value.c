// SPDX-License-Identifier: Apache-2.0
/* Base64, UTF-8, marks and numbers. */

#include "fuzz.h"

#include "base/codec.h"
#include "kv/kv_write.h"

int fuzz_one(const char *text, size_t len)
{
	_cleanup_free_ char *bytes = malloc(len + 4);
	_cleanup_buf_ struct buf again = {0};
	size_t n;

	if (bytes && base64_decode(text, len, bytes, &n)) {
		base64_encode(bytes, n, &again);
		fuzz_check(again.len == len && !memcmp(again.data ? again.data : "", text, len));
	}
	fuzz_check(utf8_valid(text, utf8_valid_len(text, len)));
	kv_mark_misleads(text, len);
	if (len && strspn(text, "0123456789") == len)
		kv_number_kept(text, len);
	return 0;
}
