// SPDX-License-Identifier: Apache-2.0
/* Base64: what RFC 4648 gives as examples, every length, and that nothing is taken for base64 but what
 * we would have written ourselves: bytes would not be the same again. */

#include "unit_support.h"

#include "base/codec.h"
#include "base/secmem.h"

TestSuite(base64, .fini = support_fini, .timeout = 120);

/* Room for what decodes, to the byte, so that a sanitizer sees one too many. */
static bool decode(const char *text, size_t len, char **bytes, size_t *n)
{
	*bytes = malloc(len / 4 * 3 + 1);
	cr_assert_not_null(*bytes);
	(*bytes)[len / 4 * 3] = '#';
	*n = SIZE_MAX;
	return base64_decode(text, len, *bytes, n);
}

static void assert_codes(const char *bytes, size_t len, const char *text)
{
	_cleanup_buf_ struct buf b = {0};
	_cleanup_free_ char *again = NULL;
	size_t n;

	base64_encode(bytes, len, &b);
	cr_assert_eq(buf_status(&b), 0);
	cr_assert_eq(b.len, strlen(text));
	cr_assert(b.len == 0 || strcmp(b.data, text) == 0, "%s, not %s", b.data, text);
	cr_assert(decode(text, strlen(text), &again, &n), "%s", text);
	cr_assert_eq(n, len, "%s", text);
	cr_assert_eq(memcmp(again, bytes, len), 0, "%s", text);
}

/* Section 10. */
Test(base64, the_examples_of_rfc_4648, .init = support_init)
{
	assert_codes("", 0, "");
	assert_codes("f", 1, "Zg==");
	assert_codes("fo", 2, "Zm8=");
	assert_codes("foo", 3, "Zm9v");
	assert_codes("foob", 4, "Zm9vYg==");
	assert_codes("fooba", 5, "Zm9vYmE=");
	assert_codes("foobar", 6, "Zm9vYmFy");
}

Test(base64, any_byte_is_encoded, .init = support_init)
{
	assert_codes("\0", 1, "AA==");
	assert_codes("\0\0\0", 3, "AAAA");
	assert_codes("\xff", 1, "/w==");
	assert_codes("\xfb\xef\xbe", 3, "++++");
	assert_codes("\xff\xff\xff", 3, "////");
	assert_codes("a\0b\xff\n", 5, "YQBi/wo=");
}

Test(base64, the_whole_alphabet_is_there, .init = support_init)
{
	assert_codes("\x00\x10\x83\x10\x51\x87\x20\x92\x8b\x30\xd3\x8f\x41\x14\x93\x51"
		     "\x55\x97\x61\x96\x9b\x71\xd7\x9f\x82\x18\xa3\x92\x59\xa7\xa2\x9a"
		     "\xab\xb2\xdb\xaf\xc3\x1c\xb3\xd3\x5d\xb7\xe3\x9e\xbb\xf3\xdf\xbf",
		     48, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
}

/* Tests every length across the borders of the encoder's blocks. */
Test(base64, every_length_comes_back, .init = support_init)
{
	char bytes[200];

	for (size_t len = 0; len <= sizeof(bytes); len++) {
		_cleanup_buf_ struct buf text = {0};
		_cleanup_free_ char *again = NULL;
		size_t n;

		for (size_t i = 0; i < len; i++)
			bytes[i] = (char)(i * 37 + len * 11);
		base64_encode(bytes, len, &text);
		cr_assert_eq(text.len, (len + 2) / 3 * 4, "%zu", len);
		cr_assert(decode(text.data ? text.data : "", text.len, &again, &n), "%zu", len);
		cr_assert_eq(n, len);
		cr_assert_eq(memcmp(again, bytes, len), 0, "%zu", len);
		cr_assert_eq(again[text.len / 4 * 3], '#', "%zu: written too far", len);
		if (len)
			cr_assert_eq(strcspn(text.data, "="), (len * 4 + 2) / 3, "%zu", len);
	}
}

Test(base64, text_is_appended, .init = support_init)
{
	_cleanup_buf_ struct buf b = {0};

	buf_add_str(&b, "x:");
	base64_encode("foob", 4, &b);
	base64_encode("", 0, &b);
	base64_encode("f", 1, &b);
	cr_assert_str_eq(b.data, "x:Zm9vYg==Zg==");
}

static void assert_refused(const char *text, size_t len)
{
	_cleanup_free_ char *bytes = NULL;
	size_t n;

	cr_expect_not(decode(text, len, &bytes, &n), "taken: %.*s", (int)len, text);
}

static void assert_all_refused(const char *const *texts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		assert_refused(texts[i], strlen(texts[i]));
}

Test(base64, blanks_and_newlines_are_refused, .init = support_init)
{
	static const char *const texts[] = {
		" Zm9v",     "Zm9v ",	 "Zm9v\n",	 "\nZm9v",	 "Zm 9v",     "Zm\n9v",
		"Zm9\n",     "    ",	 "\n\n\n\n",	 "Zm9v\r\n\r\n", "Zm9v    ",  "   Zm9v ",
		"Zm9v\nYmE", "Zg==\n\n", "Zm9v\n\n\n\n", "\t\t\t\tZm9v", "Zm9vYmF\n", "Zg= = ",
	};

	assert_all_refused(texts, ARRAY_SIZE(texts));
}

Test(base64, missing_padding_is_refused, .init = support_init)
{
	static const char *const texts[] = {"Z",     "Zg",	"Zg=",	   "Zm8",      "Zm9vYg",
					    "Zm9vY", "Zm9vYg=", "Zm9vYmE", "Zm9vYmFyY"};

	assert_all_refused(texts, ARRAY_SIZE(texts));
}

Test(base64, bits_that_are_left_over_are_refused, .init = support_init)
{
	static const char *const texts[] = {
		"Zh==", "Zv==", "Z/==", "Zm9=", "Zm/=", "AB==", "AAB=", "Zm9vYh==", "Zm9vYmF="};

	assert_all_refused(texts, ARRAY_SIZE(texts));
}

/* Only four of the 64 that may stand before "==" leave no bits over, and sixteen before "=". */
Test(base64, as_many_short_texts_are_taken_as_there_are_bytes, .init = support_init)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
	size_t taken = 0;
	char bytes[3];

	for (size_t i = 0; i < 65 * 65 * 65 * 65; i++) {
		const char text[] = {alphabet[i % 65], alphabet[i / 65 % 65],
				     alphabet[i / 65 / 65 % 65], alphabet[i / 65 / 65 / 65]};
		size_t n;

		/* Three bytes are 64 times 64 times 64 times 64, all alike. */
		if (text[3] == 'A' || text[3] == '=')
			taken += base64_decode(text, 4, bytes, &n);
	}
	cr_assert_eq(taken, 64 * 64 * 64 + 256 * 256 + 256);
}

Test(base64, padding_within_is_refused, .init = support_init)
{
	static const char *const texts[] = {
		"====",
		"=AAA",
		"A=AA",
		"AA=A",
		"A===",
		"=Zg=",
		"Z=g=",
		"Zg==Zg==",
		"Zm8=Zm9v",
		"Zm9vZg==Zm9v",
		"Zm9v====",
		"Zg===",
		"Zm9v=",
		"=",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=AAAA",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==AAAA",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA====",
	};

	assert_all_refused(texts, ARRAY_SIZE(texts));
}

Test(base64, the_alphabet_of_urls_is_refused, .init = support_init)
{
	static const char *const texts[] = {"____", "----", "_w==", "-_-_", "Zm9v_w=="};

	assert_all_refused(texts, ARRAY_SIZE(texts));
}

Test(base64, no_other_byte_is_taken, .init = support_init)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (int c = 0; c < 256; c++) {
		if (c && strchr(alphabet, c))
			continue;
		for (size_t at = 0; at < 8; at++) {
			char text[] = "AAAAAAAA";

			text[at] = (char)c;
			if (c != '=' || at != 7)
				assert_refused(text, 8);
		}
	}
	assert_refused("Zg==\0\0\0\0", 8);
	assert_refused("\0\0\0\0", 4);
}
