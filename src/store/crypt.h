/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_CRYPT_H
#define STORE_CRYPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The few things that are asked of OpenSSL, each in one call. All keys are of CRYPT_KEY bytes. */

enum { CRYPT_KEY = 32, CRYPT_NONCE = 12, CRYPT_TAG = 16, CRYPT_SALT = 16 };

/* A key for one purpose (`info`) out of another secret: HKDF with SHA-256 (RFC 5869). 0 or -ENOMEM. */
int crypt_derive(const char *secret, size_t len, const void *salt, const char *info,
		 unsigned char *out);

/* A key out of what a person can remember, slowly: scrypt (RFC 7914), with 2^log_n blocks of `r`
 * times 128 bytes. 0 or -ENOMEM. */
int crypt_stretch(const char *passphrase, size_t len, const void *salt, unsigned log_n, unsigned r,
		  unsigned char *out);

/* AES-256-GCM either way, of up to 2 GB; `tag` is written or compared. `about` is sealed with it: it
 * opens for the same alone. 0, -EBADMSG or -ENOMEM. */
struct crypt_text {
	const unsigned char *key;
	const void *nonce, *about;
	size_t about_len;
	const char *from;
	size_t len;
	char *to;
	char *tag;
};
int crypt_text(bool seal, const struct crypt_text *t);

/* A name for bytes that only who has the key can tell: HMAC with SHA-256, of which the first `out_len`
 * bytes. 0 or -ENOMEM. */
int crypt_name(const unsigned char *key, const void *bytes, size_t len, void *out, size_t out_len);

/* 0 or -EIO. */
int crypt_random(void *to, size_t len);

#endif
