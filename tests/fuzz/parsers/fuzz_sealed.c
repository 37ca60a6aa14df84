// SPDX-License-Identifier: Apache-2.0
/* Sealed files. As they come nobody has sealed them, and they do not open; sealed by us, they hold what
 * a kept token is read from. */

#include "fuzz.h"

#include "base/secret.h"
#include "store/sealed.h"
#include "store/token_cache.h"

#define ABOUT "who"

int fuzz_one(const char *text, size_t len)
{
	_cleanup_fuzz_file_ struct fuzz_file f = fuzz_file_new(text, len);
	_cleanup_secret_ struct secret *key = secret_new("0123456789abcdef", 16), *token = NULL;
	_cleanup_free_ char *path = fuzz_path("token");
	_cleanup_buf_ struct buf out = {0}, in = {0}, file = {0};
	struct token_cache c = {.path = path, .key = key, .about = ABOUT};
	struct err err = {0};
	uint64_t ttl;

	fuzz_check(sealed_read(f.path, key, ABOUT, 4096, &out, &err) < 0);
	buf_add(&in, text, len);
	fuzz_check(sealed_write(path, key, ABOUT, &in) == 0);
	if (token_cache_read(&c, &token, &ttl, &err) == 0)
		fuzz_check(token->len && token->len < len);
	fuzz_load(path, &file);
	file.data[len * 7 % file.len] ^= 1;
	fuzz_save(path, &file);
	fuzz_check(sealed_read(path, key, ABOUT, 4096, &out, &err) < 0);
	return 0;
}
