// SPDX-License-Identifier: Apache-2.0
/* Encodings that no library we use offers by itself. */

#include "base/codec.h"

#include "base/buf.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* The length of the well-formed character at p; 0 if it is malformed. */
static size_t utf8_char(const unsigned char *p, size_t room)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t len;

	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		len = 2;
	else if (p[0] >= 0xe0 && p[0] <= 0xef)
		len = 3;
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
		len = 4;
	else
		return 0;
	if (len > room)
		return 0;
	/* The second byte's range excludes overlong forms, surrogates and anything over U+10FFFF. */
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if (p[i] < 0x80 || p[i] > 0xbf)
			return 0;
	return len;
}

size_t utf8_decode(const char *bytes, size_t len, uint32_t *c)
{
	const unsigned char *p = (const unsigned char *)bytes;
	size_t n = len ? utf8_char(p, len) : 0;

	*c = n == 1 ? p[0] : n ? p[0] & (0x7f >> n) : 0;
	for (size_t i = 1; i < n; i++)
		*c = *c << 6 | (p[i] & 0x3f);
	return n;
}

size_t utf8_valid_len(const char *bytes, size_t len)
{
	const unsigned char *p = (const unsigned char *)bytes;
	size_t i = 0, n;

	while (i < len && (n = utf8_char(p + i, len - i)) > 0)
		i += n;
	return i;
}

bool utf8_valid(const char *bytes, size_t len)
{
	return utf8_valid_len(bytes, len) == len;
}

size_t utf8_encode(unsigned c, char to[4])
{
	if (c < 0x80) {
		to[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		to[0] = (char)(0xc0 | c >> 6);
		to[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		to[0] = (char)(0xe0 | c >> 12);
		to[1] = (char)(0x80 | (c >> 6 & 0x3f));
		to[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	to[0] = (char)(0xf0 | c >> 18);
	to[1] = (char)(0x80 | (c >> 12 & 0x3f));
	to[2] = (char)(0x80 | (c >> 6 & 0x3f));
	to[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

char *url_encode_path(const char *path)
{
	static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
					 "0123456789-._~/";
	static const char hex[] = "0123456789ABCDEF";
	char *out = malloc(strlen(path) * 3 + 1), *to = out;

	if (!out)
		return NULL;
	for (; *path; path++) {
		unsigned char c = (unsigned char)*path;

		if (strchr(unreserved, c)) {
			*to++ = (char)c;
			continue;
		}
		*to++ = '%';
		*to++ = hex[c >> 4];
		*to++ = hex[c & 15];
	}
	*to = '\0';
	return out;
}

/* Each use of EVP_sha256() looks the algorithm up again, which takes longer than the hash. */
static EVP_MD *fetched;

static void fetch(void)
{
	fetched = EVP_MD_fetch(NULL, "SHA256", NULL);
}

static const EVP_MD *sha256(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, fetch);
	return fetched ? fetched : EVP_sha256();
}

uint64_t stable_hash(const void *bytes, size_t len)
{
	unsigned char md[EVP_MAX_MD_SIZE];
	uint64_t h = 0;

	if (!EVP_Digest(bytes, len, md, NULL, sha256(), NULL))
		return 2;
	memcpy(&h, md, sizeof(h));
	return h > 1 ? h : h + 2;
}

#define BASE64_BYTES 48 /* to a block of 64 characters */

void base64_encode(const char *bytes, size_t len, struct buf *to)
{
	unsigned char block[BASE64_BYTES / 3 * 4 + 1];

	buf_reserve(to, to->len + (len + 2) / 3 * 4);
	while (len) {
		int n = len < BASE64_BYTES ? (int)len : BASE64_BYTES;

		buf_add(to, block, (size_t)EVP_EncodeBlock(block, (const unsigned char *)bytes, n));
		bytes += n;
		len -= (size_t)n;
	}
	OPENSSL_cleanse(block, sizeof(block));
}

bool base64_decode(const char *text, size_t len, char *to, size_t *to_len)
{
	unsigned char block[BASE64_BYTES + 1], again[BASE64_BYTES / 3 * 4 + 1];
	bool same = len % 4 == 0;

	*to_len = 0;
	while (same && len) {
		int n = len < sizeof(again) - 1 ? (int)len : (int)sizeof(again) - 1;
		int got = EVP_DecodeBlock(block, (const unsigned char *)text, n);

		if (got > 0 && (size_t)n == len) /* padding decodes to bytes that are no data */
			got -= (text[n - 1] == '=') + (text[n - 2] == '=');
		/* OpenSSL also accepts blanks and nonzero spare bits. */
		same = got > 0 && EVP_EncodeBlock(again, block, got) == n &&
		       !memcmp(again, text, (size_t)n);
		if (same)
			memcpy(to + *to_len, block, (size_t)got);
		*to_len += same ? (size_t)got : 0;
		text += n;
		len -= (size_t)n;
	}
	OPENSSL_cleanse(block, sizeof(block));
	OPENSSL_cleanse(again, sizeof(again));
	return same;
}
