/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_CRYPT_H
#define STORE_CRYPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Our uses of OpenSSL, each as one call. All keys have CRYPT_KEY bytes. */

enum { CRYPT_KEY = 32, CRYPT_NONCE = 12, CRYPT_TAG = 16, CRYPT_SALT = 16 };

/* Derives a key for one purpose (`info`) from a secret: HKDF with SHA-256 (RFC 5869). 0 or
 * -ENOMEM. */
int crypt_derive(const char *secret, size_t len, const void *salt, const char *info,
		 unsigned char *out);

/* Derives a key, slowly, from a passphrase: scrypt (RFC 7914), with 2^log_n blocks of `r` times 128
 * bytes. 0 or -ENOMEM. */
int crypt_stretch(const char *passphrase, size_t len, const void *salt, unsigned log_n, unsigned r,
		  unsigned char *out);

/* AES-256-GCM in either direction, of up to 2 GB; `tag` is written or compared. `about` is
 * authenticated with the text, and must be the same to open it. 0, -EBADMSG or -ENOMEM. */
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

/* A name for bytes that only a holder of the key can compute: the first `out_len` bytes of HMAC
 * with SHA-256. 0 or -ENOMEM. */
int crypt_name(const unsigned char *key, const void *bytes, size_t len, void *out, size_t out_len);

/* 0 or -EIO. */
int crypt_random(void *to, size_t len);

#endif
