/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_CODEC_H
#define BASE_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Well-formed UTF-8 as Unicode, table 3-7, has it: no surrogates, nothing overlong, up to U+10FFFF.
 * NUL is a character like others. */
bool utf8_valid(const char *bytes, size_t len);

/* How many of the bytes, from the first, are well-formed. */
size_t utf8_valid_len(const char *bytes, size_t len);

/* The character at `bytes`: how long it is, 0 where there is none that is well-formed. */
size_t utf8_decode(const char *bytes, size_t len, uint32_t *c);

/* The character as one to four bytes; how many. Not for surrogates, nor past U+10FFFF. */
size_t utf8_encode(unsigned character, char to[4]);

/* The path with every byte but the unreserved ones of RFC 3986 and '/' percent-encoded.
 * Heap; NULL when there is no memory. */
char *url_encode_path(const char *path);

/* Base64 (RFC 4648, section 4): the text, appended. */
struct buf;
void base64_encode(const char *bytes, size_t len, struct buf *to);

/* The bytes of a text that base64_encode() would yield, to room for `len` / 4 * 3; false for any other
 * text. */
bool base64_decode(const char *text, size_t len, char *to, size_t *to_len);

/* A 64-bit name for the bytes, the same on every machine and in every run. Never 0 or 1. */
uint64_t stable_hash(const void *bytes, size_t len);

#endif
