// SPDX-License-Identifier: Apache-2.0
/* The format of a sealed file.
 *
 *      "vaultfs1"  salt 16  nonce 12  text, encrypted  tag 16
 *
 * Each file has a key of its own, made of ours and the salt (HKDF with SHA-256, RFC 5869). So
 * however many files there are, no nonce occurs twice under one key. The tag covers the text and
 * `about`. */

#include "store/sealed.h"

#include "base/trust.h"
#include "store/store_key.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#define MAGIC	  "vaultfs1"
#define MAGIC_LEN 8
#define HEAD_LEN  (MAGIC_LEN + CRYPT_SALT + CRYPT_NONCE)
#define TAG_LEN	  CRYPT_TAG

/* Makes the key from the machine's material and the salt beside `file`. */
static int add_salt(const char *file, struct sealed_keys *keys, struct secret *machine,
		    struct err *err)
{
	_cleanup_salts_ struct store_salts salts = {0};
	_cleanup_buf_ struct buf b = {0};
	bool there = store_salts_exist(file);
	int r = store_salts_read(file, true, &salts, err);

	if (r == 0 && !salts.count)
		r = err_set(err, EBADMSG, "%s.salt is empty", file);
	if (r < 0) {
		keys->no_salt = r != -ENOMEM;
		return r;
	}
	buf_add(&b, machine->bytes, machine->len);
	buf_add(&b, salts.salts[salts.count - 1]->bytes, salts.salts[salts.count - 1]->len);
	keys->key = buf_status(&b) == 0 ? secret_new(b.data, b.len) : NULL;
	if (!keys->key)
		return err_set(err, ENOMEM, "no memory");
	if (!there)
		keys->unsalted = secret_ref(machine);
	return 0;
}

int sealed_keys_take(const char *spec, const char *file, struct sealed_keys *keys, struct err *err)
{
	_cleanup_store_key_ struct store_key k = {0};
	int r;

	*keys = (struct sealed_keys){0};
	/* At a restart there is nobody to ask. */
	if (!strncmp(spec, "passphrase:", 11))
		return err_set(err, EINVAL,
			       "offline_key=%s: expected machine, file:PATH or systemd-creds",
			       spec);
	r = store_key_read("offline_key", spec, &k, err);
	if (r == 0 && k.kind == STORE_KEY_MACHINE)
		return add_salt(file, keys, k.material, err);
	if (r == 0)
		keys->key = steal(k.material);
	return r;
}

void sealed_keys_fini(struct sealed_keys *keys)
{
	secret_put(keys->key);
	secret_put(keys->unsalted);
	*keys = (struct sealed_keys){0};
}

/* Seals or opens with a key derived for this file alone. 0, -EBADMSG or -ENOMEM. */
static int crypt_file(bool seal, const struct secret *key, const char *about, const char *head,
		      struct crypt_text *text)
{
	unsigned char own[CRYPT_KEY];
	int r = crypt_derive(key->bytes, key->len, head + MAGIC_LEN, MAGIC, own);

	text->key = own;
	text->nonce = head + MAGIC_LEN + CRYPT_SALT;
	text->about = about;
	text->about_len = strlen(about);
	if (r == 0)
		r = crypt_text(seal, text);
	OPENSSL_cleanse(own, sizeof(own));
	return r;
}

int sealed_write(const char *path, const struct secret *key, const char *about,
		 const struct buf *text)
{
	_cleanup_secret_ struct secret *file = NULL;
	char head[HEAD_LEN] = MAGIC;
	_cleanup_buf_ struct buf b = {0};
	struct crypt_text sealed;
	int r;

	if (crypt_random(head + MAGIC_LEN, CRYPT_SALT + CRYPT_NONCE) < 0)
		return -EIO;
	buf_add(&b, head, sizeof(head));
	buf_resize(&b, HEAD_LEN + text->len + TAG_LEN);
	if (buf_status(&b) < 0)
		return -ENOMEM;
	sealed = (struct crypt_text){.from = text->data,
				     .len = text->len,
				     .to = b.data + HEAD_LEN,
				     .tag = b.data + HEAD_LEN + text->len};
	r = crypt_file(true, key, about, head, &sealed);
	if (r < 0)
		return r;
	file = secret_new(b.data, b.len);
	return file ? secret_to_file(file, path) : -ENOMEM;
}

int sealed_read(const char *path, const struct secret *key, const char *about, size_t max,
		struct buf *text, struct err *err)
{
	_cleanup_close_ int fd = trust_open(path, err);
	_cleanup_buf_ struct buf b = {0};
	struct crypt_text sealed;
	size_t len;
	int r = fd < 0 ? fd : buf_read(&b, fd, max + HEAD_LEN + TAG_LEN);

	if (r < 0)
		return r;
	if (b.len < HEAD_LEN + TAG_LEN || memcmp(b.data, MAGIC, MAGIC_LEN) != 0)
		return -EBADMSG;
	len = b.len - HEAD_LEN - TAG_LEN;
	buf_resize(text, len);
	if (buf_status(text) < 0)
		return -ENOMEM;
	sealed = (struct crypt_text){.from = b.data + HEAD_LEN,
				     .len = len,
				     .to = text->data,
				     .tag = b.data + HEAD_LEN + len};
	r = crypt_file(false, key, about, b.data, &sealed);
	if (r < 0)
		buf_fini(text);
	return r;
}
