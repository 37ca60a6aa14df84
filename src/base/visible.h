/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_VISIBLE_H
#define BASE_VISIBLE_H

#include "base/buf.h"
#include "base/cleanup.h"

#include <stdio.h>

/* Text from elsewhere (names, values, a server's words) on its way to a terminal or a log. A character
 * without ink may move the cursor, end a line, or make a row read differently than it is: controls (C0,
 * DEL, C1), line separators, direction marks, invisible format characters, and bytes that are not
 * UTF-8. */

enum { VISIBLE_ROOM = 16 };

/* Writes the character at `p`, of at most `len` bytes, as it is shown: unchanged, or as its number ("\n",
 * "\x1b", "\u202e", "\xff" for a byte that is not UTF-8), with a NUL. Returns the bytes that it takes of
 * `p`: never 0 if `len` is over 0. *ink: it is shown unchanged. */
size_t visible_char(const char *p, size_t len, char out[VISIBLE_ROOM], bool *ink);

/* The length of the longest prefix that may be shown unchanged. */
size_t visible_len(const char *bytes, size_t len);

/* Appends the text as it may be shown; with `lines`, line feeds and tabs stay. */
void visible_add(struct buf *to, const char *bytes, size_t len, bool lines);

/* Appends JSON as it may be shown: a character without ink stands in a string there, as "\u202e". */
void visible_add_json(struct buf *to, const char *bytes, size_t len);

/* Like fprintf(3); on a terminal the text is made visible, keeping line feeds and tabs. */
void visible_print(FILE *to, const char *fmt, ...) _printf_(2, 3);
void visible_vprint(FILE *to, const char *fmt, va_list ap) _printf_(2, 0);

#endif
