// SPDX-License-Identifier: Apache-2.0
/* Encodings: well-formed UTF-8 as Unicode's table 3-7 has it, counted in full up to three bytes; what
 * of a path is percent-encoded; and the hash that names inodes, which must be the same on every
 * machine. */

#include "unit_support.h"

#include "base/codec.h"

#include <stdio.h>

TestSuite(codec, .fini = support_fini, .timeout = 120);

/* How many strings of `len` bytes are well-formed: all of them are tried. */
static size_t count_valid(size_t len)
{
	size_t all = 1, n = 0;

	for (size_t i = 0; i < len; i++)
		all *= 256;
	for (size_t i = 0; i < all; i++) {
		char s[] = {(char)i, (char)(i >> 8), (char)(i >> 16)};

		n += utf8_valid(s, len);
	}
	return n;
}

/* The encoding of a code point, or of a number that is none. */
static size_t encode(unsigned c, char *to)
{
	if (c < 0x80)
		return to[0] = (char)c, 1;
	if (c < 0x800)
		return to[0] = (char)(0xc0 | c >> 6), to[1] = (char)(0x80 | (c & 63)), 2;
	if (c < 0x10000) {
		to[0] = (char)(0xe0 | c >> 12);
		to[1] = (char)(0x80 | (c >> 6 & 63));
		to[2] = (char)(0x80 | (c & 63));
		return 3;
	}
	to[0] = (char)(0xf0 | c >> 18);
	to[1] = (char)(0x80 | (c >> 12 & 63));
	to[2] = (char)(0x80 | (c >> 6 & 63));
	to[3] = (char)(0x80 | (c & 63));
	return 4;
}

/* With 128 characters of one byte, 1920 of two and 61440 of three. */
Test(codec, as_many_short_strings_are_utf8_as_there_are_characters)
{
	cr_assert_eq(count_valid(1), 128);
	cr_assert_eq(count_valid(2), 128 * 128 + 1920);
	cr_assert_eq(count_valid(3), 128 * 128 * 128 + 2 * 128 * 1920 + 61440);
}

Test(codec, what_is_well_formed_is_counted_from_the_first_byte)
{
	cr_assert_eq(utf8_valid_len("", 0), 0);
	cr_assert_eq(utf8_valid_len("a\xc3\xa9z", 4), 4);
	cr_assert_eq(utf8_valid_len("a\xc3\xa9z", 2), 1);
	cr_assert_eq(utf8_valid_len("a\xc3\xa9\xff\xc3\xa9", 6), 3);
	cr_assert_eq(utf8_valid_len("\x80", 1), 0);
}

Test(codec, every_character_is_utf8_and_no_part_of_one_is)
{
	char s[4];

	for (unsigned c = 0; c < 0x200000; c++) {
		size_t len = encode(c, s);
		bool good = c < 0xd800 || (c > 0xdfff && c < 0x110000);

		cr_assert_eq(utf8_valid(s, len), good, "U+%04X", c);
		if (len > 1)
			cr_assert_not(utf8_valid(s, len - 1), "U+%04X cut short", c);
	}
}

Test(codec, what_is_overlong_or_out_of_range_is_not_utf8)
{
	static const char *const bad[] = {
		"\x80",
		"\xbf",
		"\xc0\xaf",
		"\xc1\xbf",
		"\xe0\x80\xaf",
		"\xe0\x9f\xbf",
		"\xed\xa0\x80",
		"\xed\xbf\xbf",
		"\xf0\x80\x80\xaf",
		"\xf0\x8f\xbf\xbf",
		"\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80",
		"\xf8\x88\x80\x80",
		"\xfe",
		"\xff",
		"a\xc3(",
		"\xe2\x82(",
		"\xf0\x9f\x98(",
		"\xc3\xa9\xa9",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		cr_assert_not(utf8_valid(bad[i], strlen(bad[i])), "number %zu", i);
}

Test(codec, nul_is_a_character_like_others)
{
	cr_assert(utf8_valid("", 0));
	cr_assert(utf8_valid("\0", 1));
	cr_assert(utf8_valid("a\0é\0", 5));
	cr_assert_not(utf8_valid("a\0\xff", 3));
}

Test(codec, a_path_keeps_its_unreserved_bytes_and_slashes)
{
	_cleanup_free_ char *s = url_encode_path("/v1/a-b._~/Z9");

	cr_assert_str_eq(s, "/v1/a-b._~/Z9");
}

Test(codec, every_other_byte_of_a_path_is_encoded)
{
	static const char plain[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";

	for (int c = 1; c < 256; c++) {
		char path[] = {(char)c, '\0'}, expected[4];
		_cleanup_free_ char *s = url_encode_path(path);

		snprintf(expected, sizeof(expected), strchr(plain, c) ? "%c" : "%%%02X", c);
		cr_assert_str_eq(s, expected, "byte %d", c);
	}
}

Test(codec, a_path_is_encoded_byte_by_byte)
{
	_cleanup_free_ char *s = url_encode_path("a b/é%/?#");

	cr_assert_str_eq(s, "a%20b/%C3%A9%25/%3F%23");
	_cleanup_free_ char *none = url_encode_path("");

	cr_assert_str_eq(none, "");
}

/* The first eight bytes of SHA-256, the lowest first. */
Test(codec, the_hash_is_the_same_on_every_machine)
{
	cr_assert_eq(stable_hash("", 0), UINT64_C(0x141cfc9842c4b0e3));
	cr_assert_eq(stable_hash("abc", 3), UINT64_C(0xeacf018fbf1678ba));
}

Test(codec, hashes_tell_apart_and_are_never_0_or_1)
{
	uint64_t seen[2000];

	for (unsigned i = 0; i < ARRAY_SIZE(seen); i++) {
		seen[i] = stable_hash(&i, sizeof(i));
		cr_assert_gt(seen[i], 1);
		for (unsigned j = 0; j < i; j++)
			cr_assert_neq(seen[j], seen[i]);
	}
	cr_assert_neq(stable_hash("a\0b", 3), stable_hash("a\0c", 3));
	cr_assert_neq(stable_hash("a", 1), stable_hash("a\0", 2));
}
