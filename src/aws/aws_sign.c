// SPDX-License-Identifier: Apache-2.0
/* The signature of an AWS request: a hash of the request, keyed by the secret key, the day, the
 * region and the service. The steps and their names are those of AWS's manual; the unit test has
 * AWS's published examples. */

#include "aws/aws_sign.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#define HASH_LEN 32
#define DAY_LEN	 8

void aws_keys_fini(struct aws_keys *k)
{
	secret_put(k->id);
	secret_put(k->key);
	secret_put(k->session);
	*k = (struct aws_keys){0};
}

static void add_hex(struct buf *to, const unsigned char *bytes)
{
	for (size_t i = 0; i < HASH_LEN; i++)
		buf_printf(to, "%02x", bytes[i]);
}

static int add_hash(struct buf *to, const char *bytes, size_t len)
{
	unsigned char hash[HASH_LEN];

	if (!EVP_Q_digest(NULL, "SHA256", NULL, bytes, len, hash, NULL))
		return -ENOMEM;
	add_hex(to, hash);
	return 0;
}

static void add_signed_names(struct buf *to, const struct aws_request *req)
{
	for (size_t i = 0; i < req->header_count; i++)
		buf_printf(to, "%s%s", i ? ";" : "", req->headers[i].name);
}

static int canonical_request(const struct aws_request *req, struct buf *to)
{
	buf_printf(to, "%s\n/\n\n", req->method);
	for (size_t i = 0; i < req->header_count; i++)
		buf_printf(to, "%s:%s\n", req->headers[i].name, req->headers[i].value);
	buf_add_str(to, "\n");
	add_signed_names(to, req);
	buf_add_str(to, "\n");
	return add_hash(to, req->body, strlen(req->body));
}

static void add_scope(struct buf *to, const struct aws_request *req)
{
	buf_printf(to, "%.*s/%s/%s/aws4_request", DAY_LEN, req->date, req->region, req->service);
}

/* One step of the key's derivation; `key`, of `len` bytes, may be `out` itself. */
static int hmac(const void *key, size_t len, const char *text, size_t text_len, unsigned char *out)
{
	unsigned char mac[HASH_LEN];
	int ok = HMAC(EVP_sha256(), key, (int)len, (const unsigned char *)text, text_len, mac,
		      NULL) != NULL;

	memcpy(out, mac, HASH_LEN);
	OPENSSL_cleanse(mac, sizeof(mac));
	return ok ? 0 : -ENOMEM;
}

static int signing_key(const struct aws_request *req, const struct secret *secret,
		       unsigned char *key)
{
	_cleanup_buf_ struct buf start = {0};
	int r;

	buf_add_str(&start, "AWS4");
	buf_add(&start, secret->bytes, secret->len);
	if (buf_status(&start) < 0)
		return -ENOMEM;
	r = hmac(start.data, start.len, req->date, DAY_LEN, key);
	if (r == 0)
		r = hmac(key, HASH_LEN, req->region, strlen(req->region), key);
	if (r == 0)
		r = hmac(key, HASH_LEN, req->service, strlen(req->service), key);
	if (r == 0)
		r = hmac(key, HASH_LEN, "aws4_request", strlen("aws4_request"), key);
	return r;
}

int aws_sign(const struct aws_request *req, const struct aws_keys *keys, struct buf *to)
{
	_cleanup_buf_ struct buf canonical = {0}, text = {0};
	unsigned char key[HASH_LEN], signature[HASH_LEN];
	int r = canonical_request(req, &canonical);

	if (r < 0 || buf_status(&canonical) < 0)
		return -ENOMEM;
	buf_printf(&text, "AWS4-HMAC-SHA256\n%s\n", req->date);
	add_scope(&text, req);
	buf_add_str(&text, "\n");
	r = add_hash(&text, canonical.data, canonical.len);
	if (r == 0)
		r = buf_status(&text);
	if (r == 0)
		r = signing_key(req, keys->key, key);
	if (r == 0)
		r = hmac(key, HASH_LEN, text.data, text.len, signature);
	OPENSSL_cleanse(key, sizeof(key));
	if (r < 0)
		return r;
	buf_printf(to, "AWS4-HMAC-SHA256 Credential=%s/", keys->id->bytes);
	add_scope(to, req);
	buf_add_str(to, ", SignedHeaders=");
	add_signed_names(to, req);
	buf_add_str(to, ", Signature=");
	add_hex(to, signature);
	return buf_status(to);
}
