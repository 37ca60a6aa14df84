/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_VISIBLE_H
#define BASE_VISIBLE_H

#include "base/buf.h"
#include "base/cleanup.h"

#include <stdio.h>

/* Text from elsewhere (names, values, a server's words) on its way to a terminal or a log. A character
 * that is no ink may move the cursor, end a line, or have a row read otherwise than it is: controls (C0,
 * DEL, C1), line separators, direction marks, invisible format characters, and bytes that are no
 * UTF-8. */

enum { VISIBLE_ROOM = 16 };

/* How the character at `p`, of at most `len` bytes, is shown: as it is, or by its number ("\n",
 * "\x1b", "\u202e", "\xff" for a byte that is no UTF-8). Ends with a NUL. How many bytes it takes; never
 * 0, for a `len` over 0. *ink: it is shown as it is. */
size_t visible_char(const char *p, size_t len, char out[VISIBLE_ROOM], bool *ink);

/* How many of the bytes, from the first, may be shown as they are. */
size_t visible_len(const char *bytes, size_t len);

/* Appends the text as it may be shown; with `lines`, line feeds and tabs are left. */
void visible_add(struct buf *to, const char *bytes, size_t len, bool lines);

/* The same of JSON: what is not ink stands in strings there, and becomes "\u202e". */
void visible_add_json(struct buf *to, const char *bytes, size_t len);

/* As fprintf(3), and on a terminal as it may be shown, in lines. */
void visible_print(FILE *to, const char *fmt, ...) _printf_(2, 3);
void visible_vprint(FILE *to, const char *fmt, va_list ap) _printf_(2, 0);

#endif
