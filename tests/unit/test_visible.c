// SPDX-License-Identifier: Apache-2.0
/* Text from elsewhere as it is shown: ink unchanged, everything else by its number. */

#include "unit_support.h"

#include "base/codec.h"
#include "base/visible.h"

#include <string.h>

TestSuite(visible, .timeout = 60);

static void assert_shown(const char *bytes, size_t len, bool lines, const char *expected)
{
	_cleanup_buf_ struct buf b = {0};

	visible_add(&b, bytes, len, lines);
	cr_expect_str_eq(b.data ? b.data : "", expected);
}

#define SHOWN(text, expected) assert_shown(text, sizeof(text) - 1, false, expected)

Test(visible, ink_is_left_alone)
{
	SHOWN("plain \"quoted\" \\ back", "plain \"quoted\" \\ back");
	SHOWN("gr\xc3\xbc\xc3\x9f \xe4\xb8\xad \xd7\xa9 \xf0\x9f\x94\x91",
	      "gr\xc3\xbc\xc3\x9f \xe4\xb8\xad \xd7\xa9 \xf0\x9f\x94\x91");
	SHOWN("\xc2\xa0\xc2\xa1", "\xc2\xa0\xc2\xa1");
}

Test(visible, what_is_no_ink_is_a_number)
{
	SHOWN("a\x1b[31m\n\t\r\x7f", "a\\x1b[31m\\n\\t\\r\\x7f");
	SHOWN("\xc2\x80\xc2\x9b"
	      "31m\xc2\x9f",
	      "\\u0080\\u009b31m\\u009f");
	SHOWN("a\xe2\x80\xae"
	      "b\xe2\x81\xa6\xd8\x9c\xe2\x80\x8f",
	      "a\\u202eb\\u2066\\u061c\\u200f");
	SHOWN("\xe2\x80\xa8\xe2\x80\xa9\xef\xbb\xbf\xc2\xad", "\\u2028\\u2029\\ufeff\\u00ad");
	SHOWN("\xf3\xa0\x81\x81", "\\U000e0041");
	SHOWN("\xff\x9b\xe2\x80", "\\xff\\x9b\\xe2\\x80");
	assert_shown("a\0b", 3, false, "a\\x00b");
	assert_shown("a\n\tb\r\x9b", 6, true, "a\n\tb\\r\\x9b");
}

Test(visible, every_character_is_shown_or_told_and_none_is_both)
{
	for (uint32_t c = 1; c < 0x110000; c++) {
		char utf8[4], out[VISIBLE_ROOM];
		uint32_t back;
		size_t n = 0;
		bool ink;

		if (c < 0x80) {
			utf8[n++] = (char)c;
		} else if (c < 0x800) {
			utf8[n++] = (char)(0xc0 | c >> 6);
			utf8[n++] = (char)(0x80 | (c & 0x3f));
		} else if (c < 0x10000) {
			utf8[n++] = (char)(0xe0 | c >> 12);
			utf8[n++] = (char)(0x80 | (c >> 6 & 0x3f));
			utf8[n++] = (char)(0x80 | (c & 0x3f));
		} else {
			utf8[n++] = (char)(0xf0 | c >> 18);
			utf8[n++] = (char)(0x80 | (c >> 12 & 0x3f));
			utf8[n++] = (char)(0x80 | (c >> 6 & 0x3f));
			utf8[n++] = (char)(0x80 | (c & 0x3f));
		}
		if (c >= 0xd800 && c < 0xe000)
			continue;
		cr_assert_eq(utf8_decode(utf8, n, &back), n);
		cr_assert_eq(back, c);
		cr_assert_eq(visible_char(utf8, n, out, &ink), n);
		cr_assert(ink ? strlen(out) == n && !memcmp(out, utf8, n) : out[0] == '\\', "%x",
			  c);
	}
}

Test(visible, json_stays_what_it_says)
{
	static const char text[] = "{\"a\xe2\x80\xae\":\t\"\xf3\xa0\x81\x81\xc2\x9b\x7f\xff\"}\n";
	_cleanup_buf_ struct buf b = {0};

	visible_add_json(&b, text, sizeof(text) - 1);
	cr_assert_str_eq(b.data, "{\"a\\u202e\":\t\"\\udb40\\udc41\\u009b\\u007f\\ufffd\"}\n");
}
