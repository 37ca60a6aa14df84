// SPDX-License-Identifier: Apache-2.0
/* HKDF, scrypt, AES-256-GCM and HMAC, from OpenSSL. Knows no file and no format. */

#include "store/crypt.h"

#include <errno.h>
#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <string.h>

static int derive(const char *name, const OSSL_PARAM *params, unsigned char *out)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, name, NULL);
	EVP_KDF_CTX *c = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
	int ok = c && EVP_KDF_derive(c, out, CRYPT_KEY, params) == 1;

	EVP_KDF_CTX_free(c);
	EVP_KDF_free(kdf);
	return ok ? 0 : -ENOMEM;
}

int crypt_derive(const char *secret, size_t len, const void *salt, const char *info,
		 unsigned char *out)
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA256", 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)secret, len),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)salt, CRYPT_SALT),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)info, strlen(info)),
		OSSL_PARAM_construct_end()};

	return derive("HKDF", params, out);
}

int crypt_stretch(const char *passphrase, size_t len, const void *salt, unsigned log_n, unsigned r,
		  unsigned char *out)
{
	uint64_t n = UINT64_C(1) << log_n, most = (n + 8) * 256 * r;
	uint32_t blocks = r, lanes = 1;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PASSWORD, (void *)passphrase, len),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)salt, CRYPT_SALT),
		OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_N, &n),
		OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_R, &blocks),
		OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_P, &lanes),
		OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_MAXMEM, &most),
		OSSL_PARAM_construct_end()};

	return derive("SCRYPT", params, out);
}

int crypt_text(bool seal, const struct crypt_text *t)
{
	EVP_CIPHER_CTX *c;
	int n = 0, r;
	bool ok;

	if (t->len > INT_MAX || t->about_len > INT_MAX)
		return -EFBIG;
	c = EVP_CIPHER_CTX_new();
	ok = c && EVP_CipherInit_ex(c, EVP_aes_256_gcm(), NULL, t->key, t->nonce, seal) == 1 &&
	     EVP_CipherUpdate(c, NULL, &n, t->about, (int)t->about_len) == 1 &&
	     EVP_CipherUpdate(c, (unsigned char *)t->to, &n, (const unsigned char *)t->from,
			      (int)t->len) == 1;
	r = ok ? 0 : -ENOMEM;
	if (ok && !seal && EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, CRYPT_TAG, t->tag) != 1)
		r = -ENOMEM;
	if (r == 0 && EVP_CipherFinal_ex(c, (unsigned char *)t->to + n, &n) != 1)
		r = -EBADMSG;
	if (r == 0 && seal && EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, CRYPT_TAG, t->tag) != 1)
		r = -ENOMEM;
	EVP_CIPHER_CTX_free(c);
	return r;
}

int crypt_name(const unsigned char *key, const void *bytes, size_t len, void *out, size_t out_len)
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (!HMAC(EVP_sha256(), key, CRYPT_KEY, bytes, len, md, &n) || n < out_len)
		return -ENOMEM;
	memcpy(out, md, out_len);
	return 0;
}

int crypt_random(void *to, size_t len)
{
	return RAND_bytes(to, (int)len) == 1 ? 0 : -EIO;
}
