// SPDX-License-Identifier: Apache-2.0
/* The format of a sealed file, and its keys.
 *
 *      "vaultfs1"  salt 16  nonce 12  text, encrypted  tag 16
 *
 * Each file has a key of its own, made of ours and the salt (HKDF with SHA-256, RFC 5869), so that no
 * number of files has a nonce occur twice under one key. The tag covers the text and what it is about. */

#include "store/sealed.h"

#include "base/secmem.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define MAGIC	   "vaultfs1"
#define MAGIC_LEN  8
#define SALT_LEN   16
#define NONCE_LEN  12
#define TAG_LEN	   16
#define HEAD_LEN   (MAGIC_LEN + SALT_LEN + NONCE_LEN)
#define KEY_LEN	   32
#define MIN_KEY	   16
#define KEY_MAX	   (64u << 10)
#define MACHINE_ID "/etc/machine-id"

static int read_key(const char *path, struct secret **key, struct err *err)
{
	struct stat st;
	int r = secret_from_file(path, KEY_MAX, key);

	if (r < 0)
		return err_set(err, -r, "cannot read the key %s: %s", path,
			       r == -ENODATA ? "the file is empty" : strerror(-r));
	if ((*key)->len < MIN_KEY) {
		secret_put(steal(*key));
		return err_set(err, EINVAL, "the key %s is shorter than %d bytes", path, MIN_KEY);
	}
	if (strcmp(path, MACHINE_ID) != 0 && (stat(path, &st) < 0 || (st.st_mode & 04))) {
		secret_put(steal(*key));
		return err_set(err, EPERM, "everybody may read the key %s", path);
	}
	return 0;
}

int sealed_key(const char *spec, struct secret **key, struct err *err)
{
	if (!strcmp(spec, "machine"))
		return read_key(MACHINE_ID, key, err);
	if (!strncmp(spec, "file:", 5) && spec[5])
		return read_key(spec + 5, key, err);
	return err_set(err, EINVAL, "offline_key=%s: expected machine or file:PATH", spec);
}

/* A key for one file. */
static int derive(const struct secret *key, const char *salt, unsigned char *out)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *c = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA256", 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)key->bytes, key->len),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)salt, SALT_LEN),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)MAGIC, MAGIC_LEN),
		OSSL_PARAM_construct_end()};
	int ok = c && EVP_KDF_derive(c, out, KEY_LEN, params) == 1;

	EVP_KDF_CTX_free(c);
	EVP_KDF_free(kdf);
	return ok ? 0 : -ENOMEM;
}

/* Either way; `tag` is written or compared. 0, -EBADMSG or -ENOMEM. */
static int crypt_text(bool seal, const unsigned char *key, const char *nonce, const char *about,
		      const char *from, size_t len, char *to, char *tag)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int n = 0;
	bool ok = c &&
		  EVP_CipherInit_ex(c, EVP_aes_256_gcm(), NULL, key, (const unsigned char *)nonce,
				    seal) == 1 &&
		  EVP_CipherUpdate(c, NULL, &n, (const unsigned char *)about, (int)strlen(about)) ==
			  1 &&
		  EVP_CipherUpdate(c, (unsigned char *)to, &n, (const unsigned char *)from,
				   (int)len) == 1;
	int r = ok ? 0 : -ENOMEM;

	if (ok && !seal && EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, TAG_LEN, tag) != 1)
		r = -ENOMEM;
	if (r == 0 && EVP_CipherFinal_ex(c, (unsigned char *)to + n, &n) != 1)
		r = -EBADMSG;
	if (r == 0 && seal && EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, TAG_LEN, tag) != 1)
		r = -ENOMEM;
	EVP_CIPHER_CTX_free(c);
	return r;
}

int sealed_write(const char *path, const struct secret *key, const char *about,
		 const struct buf *text)
{
	_cleanup_secret_ struct secret *file = NULL;
	unsigned char own[KEY_LEN];
	char head[HEAD_LEN] = MAGIC;
	_cleanup_buf_ struct buf b = {0};
	int r;

	if (RAND_bytes((unsigned char *)head + MAGIC_LEN, SALT_LEN + NONCE_LEN) != 1)
		return -EIO;
	buf_add(&b, head, sizeof(head));
	buf_resize(&b, HEAD_LEN + text->len + TAG_LEN);
	if (buf_status(&b) < 0)
		return -ENOMEM;
	r = derive(key, head + MAGIC_LEN, own);
	if (r == 0)
		r = crypt_text(true, own, head + MAGIC_LEN + SALT_LEN, about, text->data, text->len,
			       b.data + HEAD_LEN, b.data + HEAD_LEN + text->len);
	OPENSSL_cleanse(own, sizeof(own));
	if (r < 0)
		return r;
	file = secret_new(b.data, b.len);
	return file ? secret_to_file(file, path) : -ENOMEM;
}

/* All bytes of the file, unlike secret_from_file(). */
static int read_file(const char *path, size_t max, struct buf *to)
{
	FILE *f = fopen(path, "re");
	char block[4096];
	size_t n;
	int r = 0;

	if (!f)
		return -errno;
	while (r == 0 && (n = fread(block, 1, sizeof(block), f)) > 0) {
		buf_add(to, block, n);
		r = to->len > max ? -EFBIG : buf_status(to);
	}
	if (r == 0 && ferror(f))
		r = -EIO;
	fclose(f);
	return r;
}

int sealed_read(const char *path, const struct secret *key, const char *about, size_t max,
		struct buf *text)
{
	_cleanup_buf_ struct buf b = {0};
	unsigned char own[KEY_LEN];
	size_t len;
	int r = read_file(path, max + HEAD_LEN + TAG_LEN, &b);

	if (r < 0)
		return r;
	if (b.len < HEAD_LEN + TAG_LEN || memcmp(b.data, MAGIC, MAGIC_LEN) != 0)
		return -EBADMSG;
	len = b.len - HEAD_LEN - TAG_LEN;
	buf_resize(text, len);
	if (buf_status(text) < 0)
		return -ENOMEM;
	r = derive(key, b.data + MAGIC_LEN, own);
	if (r == 0)
		r = crypt_text(false, own, b.data + MAGIC_LEN + SALT_LEN, about, b.data + HEAD_LEN,
			       len, text->data, b.data + HEAD_LEN + len);
	OPENSSL_cleanse(own, sizeof(own));
	if (r < 0)
		buf_fini(text);
	return r;
}
