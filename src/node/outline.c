// SPDX-License-Identifier: Apache-2.0
/* Outlines. There is one for each secret that is shown, so they are kept small: one block, the rows one
 * after the other,
 *
 *      digest (8 bytes) | length (2) | name | digest | length | name | ...
 *
 * The digests are keyed with what only this process knows, since a short value could else be guessed
 * from one. */

#include "node/outline.h"

#include "base/buf.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#define KEY_LEN	   32
#define DIGEST_LEN 8
#define HEAD_LEN   (DIGEST_LEN + sizeof(uint16_t))

struct outline {
	enum kv_state state;
	int64_t number, created;
	uint64_t era;
	size_t len;
	char rows[];
};

/* An HMAC that has been given its key: to look the algorithm up for each value, as HMAC() does, takes ten
 * times as long as the digest. It is in OpenSSL's memory, and wiped there. */
struct outline_key {
	EVP_MAC_CTX *keyed;
};

static EVP_MAC_CTX *keyed_new(void)
{
	char hash[] = "SHA256";
	unsigned char bytes[KEY_LEN];
	EVP_MAC *mac = EVP_MAC_fetch(NULL, OSSL_MAC_NAME_HMAC, NULL);
	EVP_MAC_CTX *keyed = mac ? EVP_MAC_CTX_new(mac) : NULL;
	OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, hash, 0),
			       OSSL_PARAM_construct_end()};

	if (!keyed || RAND_bytes(bytes, sizeof(bytes)) != 1 ||
	    !EVP_MAC_init(keyed, bytes, sizeof(bytes), params)) {
		EVP_MAC_CTX_free(keyed);
		keyed = NULL;
	}
	EVP_MAC_free(mac); /* the context has a use of its own */
	explicit_bzero(bytes, sizeof(bytes));
	return keyed;
}

struct outline_key *outline_key_new(void)
{
	struct outline_key *key = calloc(1, sizeof(*key));

	if (key)
		key->keyed = keyed_new();
	if (key && key->keyed)
		return key;
	free(key);
	return NULL;
}

void outline_key_free(struct outline_key *key)
{
	if (key)
		EVP_MAC_CTX_free(key->keyed);
	free(key);
}

static bool digest(const struct outline_key *key, const struct kv_field *f, char to[DIGEST_LEN])
{
	unsigned char whole[EVP_MAX_MD_SIZE];
	EVP_MAC_CTX *c = EVP_MAC_CTX_dup(key->keyed);
	size_t len;
	bool done = c && EVP_MAC_update(c, (const unsigned char *)f->text, f->len) &&
		    EVP_MAC_final(c, whole, &len, sizeof(whole));

	EVP_MAC_CTX_free(c);
	if (!done)
		return false;
	whole[0] ^= (unsigned char)f->type; /* the text 42 and the number are not the same */
	memcpy(to, whole, DIGEST_LEN);
	return true;
}

struct outline *outline_new(const struct outline_key *key, const struct kv_version *v)
{
	size_t len = 0;
	struct outline *o;
	char *at;

	for (size_t i = 0; i < v->count; i++)
		if (v->fields[i].name_len <= UINT16_MAX)
			len += HEAD_LEN + v->fields[i].name_len;
	o = malloc(sizeof(*o) + len);
	if (!o)
		return NULL;
	*o = (struct outline){.state = v->state,
			      .number = v->number,
			      .created = v->created,
			      .era = v->era,
			      .len = len};
	at = o->rows;
	for (size_t i = 0; i < v->count; i++) {
		const struct kv_field *f = &v->fields[i];
		uint16_t name_len = (uint16_t)f->name_len;

		if (f->name_len > UINT16_MAX)
			continue;
		if (!digest(key, f, at)) {
			free(o);
			return NULL;
		}
		memcpy(at + DIGEST_LEN, &name_len, sizeof(name_len));
		memcpy(at + HEAD_LEN, f->name, name_len);
		at += HEAD_LEN + name_len;
	}
	return o;
}

void outline_free(struct outline *o)
{
	free(o);
}

bool outline_is_of(const struct outline *o, const struct kv_version *v)
{
	return o->number == v->number && o->state == v->state && o->created == v->created;
}

bool outline_is_moved(const struct outline *a, const struct outline *b)
{
	return a && b && a->era != b->era && a->state == b->state && a->len == b->len &&
	       !memcmp(a->rows, b->rows, a->len);
}

enum kv_state outline_state(const struct outline *o)
{
	return o ? o->state : KV_ABSENT;
}

const char *outline_next(const struct outline *o, size_t *at, size_t *len)
{
	const char *row;
	uint16_t name_len;

	if (!o || *at >= o->len)
		return NULL;
	row = o->rows + *at;
	memcpy(&name_len, row + DIGEST_LEN, sizeof(name_len));
	*len = name_len;
	*at += HEAD_LEN + name_len;
	return row + HEAD_LEN;
}

/* A field's digest, or NULL. */
static const char *find(const struct outline *o, const char *name, size_t len)
{
	const char *row;
	size_t at = 0, n;

	while ((row = outline_next(o, &at, &n)))
		if (n == len && !memcmp(row, name, len))
			return row - HEAD_LEN;
	return NULL;
}

bool outline_has(const struct outline *o, const char *name, size_t len)
{
	return find(o, name, len) != NULL;
}

bool outline_differs(const struct outline *o, const struct outline *now, const char *name,
		     size_t len)
{
	const char *a = find(o, name, len), *b = find(now, name, len);

	if (!a || !b)
		return a != b;
	return memcmp(a, b, DIGEST_LEN) != 0;
}
