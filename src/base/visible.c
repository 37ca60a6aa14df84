// SPDX-License-Identifier: Apache-2.0
/* Which characters may be shown, by Unicode: all but the categories Cc, Cf, Zl and Zp. The last
 * three come in ranges that hardly ever grow. */

#include "base/visible.h"

#include "base/codec.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
	uint32_t first, last;
} hidden[] = {
	{0x0000, 0x001f},   {0x007f, 0x009f},	{0x00ad, 0x00ad},   {0x0600, 0x0605},
	{0x061c, 0x061c},   {0x06dd, 0x06dd},	{0x070f, 0x070f},   {0x0890, 0x0891},
	{0x08e2, 0x08e2},   {0x180e, 0x180e},	{0x200b, 0x200f},   {0x2028, 0x202e},
	{0x2060, 0x206f},   {0xfeff, 0xfeff},	{0xfff9, 0xfffb},   {0x110bd, 0x110bd},
	{0x110cd, 0x110cd}, {0x13430, 0x1343f}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a},
	{0xe0000, 0xe007f},
};

static bool is_ink(uint32_t c)
{
	for (size_t i = 0; i < ARRAY_SIZE(hidden); i++)
		if (c >= hidden[i].first && c <= hidden[i].last)
			return false;
	return true;
}

size_t visible_char(const char *p, size_t len, char out[VISIBLE_ROOM], bool *ink)
{
	uint32_t c = 0;
	size_t n = utf8_decode(p, len, &c);

	*ink = n && is_ink(c);
	if (*ink) {
		memcpy(out, p, n);
		out[n] = '\0';
		return n;
	}
	if (!n)
		snprintf(out, VISIBLE_ROOM, "\\x%02x", (unsigned char)*p);
	else if (c == '\n' || c == '\t' || c == '\r')
		snprintf(out, VISIBLE_ROOM, "\\%c", c == '\n' ? 'n' : c == '\t' ? 't' : 'r');
	else if (c < 0x80)
		snprintf(out, VISIBLE_ROOM, "\\x%02x", c);
	else
		snprintf(out, VISIBLE_ROOM, c > 0xffff ? "\\U%08x" : "\\u%04x", c);
	return n ? n : 1;
}

size_t visible_len(const char *bytes, size_t len)
{
	char out[VISIBLE_ROOM];
	size_t at = 0, n;
	bool ink;

	while (at < len) {
		n = visible_char(bytes + at, len - at, out, &ink);
		if (!ink)
			break;
		at += n;
	}
	return at;
}

void visible_add(struct buf *to, const char *bytes, size_t len, bool lines)
{
	char out[VISIBLE_ROOM];
	bool ink;

	while (len) {
		bool left = lines && (*bytes == '\n' || *bytes == '\t');
		size_t n = visible_char(bytes, len, out, &ink);

		if (left)
			buf_add(to, bytes, n);
		else
			buf_add_str(to, out);
		bytes += n;
		len -= n;
	}
	explicit_bzero(out, sizeof(out));
}

void visible_add_json(struct buf *to, const char *bytes, size_t len)
{
	char out[VISIBLE_ROOM];
	uint32_t c;
	bool ink;

	while (len) {
		size_t n = visible_char(bytes, len, out, &ink), width = utf8_decode(bytes, len, &c);

		if (!width)
			buf_add_str(to, "\\ufffd");
		else if (ink || c == '\n' || c == '\t')
			buf_add(to, bytes, n);
		else if (c > 0xffff)
			buf_printf(to, "\\u%04x\\u%04x", 0xd7c0 + (c >> 10), 0xdc00 + (c & 0x3ff));
		else
			buf_printf(to, "\\u%04x", c);
		bytes += n;
		len -= n;
	}
	explicit_bzero(out, sizeof(out));
}

void visible_vprint(FILE *to, const char *fmt, va_list ap)
{
	_cleanup_buf_ struct buf shown = {0};
	_cleanup_free_ char *text = NULL;

	if (vasprintf(&text, fmt, ap) < 0) {
		text = NULL;
		return;
	}
	if (isatty(fileno(to)))
		visible_add(&shown, text, strlen(text), true);
	else
		buf_add_str(&shown, text);
	explicit_bzero(text, strlen(text));
	if (shown.len && buf_status(&shown) == 0)
		fputs(shown.data, to);
}

void visible_print(FILE *to, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	visible_vprint(to, fmt, ap);
	va_end(ap);
}
