/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_CODEC_H
#define BASE_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Well-formed UTF-8 as defined by Unicode, table 3-7: no surrogates, nothing overlong, up to U+10FFFF.
 * NUL counts as an ordinary character. */
bool utf8_valid(const char *bytes, size_t len);

/* The length of the longest well-formed prefix. */
size_t utf8_valid_len(const char *bytes, size_t len);

/* Decodes the character at `bytes` and returns its length; 0 if it is malformed. */
size_t utf8_decode(const char *bytes, size_t len, uint32_t *c);

/* Writes the character as one to four bytes and returns their number. Not for surrogates, nor past
 * U+10FFFF. */
size_t utf8_encode(unsigned character, char to[4]);

/* The path with every byte but the unreserved ones of RFC 3986 and '/' percent-encoded.
 * Heap; NULL when there is no memory. */
char *url_encode_path(const char *path);

/* Appends the Base64 text of the bytes (RFC 4648, section 4). */
struct buf;
void base64_encode(const char *bytes, size_t len, struct buf *to);

/* Decodes into `to`, which has room for `len` / 4 * 3 bytes. False for any text that
 * base64_encode() would not write. */
bool base64_decode(const char *text, size_t len, char *to, size_t *to_len);

/* A 64-bit name for the bytes, the same on every machine and in every run. Never 0 or 1. */
uint64_t stable_hash(const void *bytes, size_t len);

#endif
