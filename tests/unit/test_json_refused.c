// SPDX-License-Identifier: Apache-2.0
/* Text that is not JSON (RFC 8259) is refused with its offset, line and column: cJSON alone lets
 * much of this pass. Random damage to a text never crashes the parser, and any text that it accepts
 * can be printed and parsed again. */

#include "unit_support.h"

#include "base/json.h"

#include <stdio.h>

TestSuite(json_refused, .fini = support_fini, .timeout = 120);

/* `at`: the offset at which it goes wrong. */
struct row {
	const char *text;
	size_t at;
};

static void locate(const char *text, size_t at, size_t *line, size_t *column)
{
	*line = *column = 1;
	for (size_t i = 0; i < at; i++, ++*column)
		if (text[i] == '\n')
			++*line, *column = 0;
}

/* Prints a C string literal, for the message. */
static const char *show(const char *text, size_t len)
{
	static char to[256];
	size_t n = 0;

	for (size_t i = 0; i < len && n < sizeof(to) - 5; i++) {
		unsigned char c = (unsigned char)text[i];

		n += (size_t)sprintf(to + n, c < 0x20 || c > 0x7e ? "\\x%02x" : "%c", c);
	}
	to[n] = '\0';
	return to;
}

static void assert_refused(const char *text, size_t len, size_t at)
{
	struct json_where where = {0};
	cJSON *json = NULL;
	size_t line, column;
	int r = json_parse(text, len, &json, &where);

	cJSON_Delete(steal(json));
	cr_expect_eq(r, -EINVAL, "taken: %s", show(text, len));
	if (r != -EINVAL)
		return;
	locate(text, at, &line, &column);
	cr_expect(where.offset == at && where.line == line && where.column == column,
		  "%s: refused at %zu (line %zu, column %zu), not at %zu (line %zu, column %zu)",
		  show(text, len), where.offset, where.line, where.column, at, line, column);
	cr_expect_not_null(where.what, "%s", show(text, len));
	cr_expect_eq(json_parse(text, len, &json, NULL), -EINVAL);
}

static void assert_all_refused(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		assert_refused(rows[i].text, strlen(rows[i].text), rows[i].at);
}

Test(json_refused, loose_numbers, .init = support_init)
{
	static const struct row rows[] = {
		{"01", 0},    {"-01", 0},	 {"00", 0},   {"1.", 0},	   {"[1.]", 1},
		{".5", 0},    {"+1", 0},	 {"-", 0},    {"- 1", 0},	   {"1e", 0},
		{"1e+", 0},   {"1E-", 0},	 {"0x10", 1}, {"[1,\n 01]", 5},	   {"1.e5", 0},
		{"[-,1]", 1}, {"Infinity", 0},	 {"NaN", 0},  {"[1,\n\n  2.]", 7}, {"1_000", 1},
		{"--1", 0},   {"{\"a\":+1}", 5},
	};

	assert_all_refused(rows, ARRAY_SIZE(rows));
}

Test(json_refused, raw_control_characters_in_strings, .init = support_init)
{
	static const struct row rows[] = {
		{"\"a\nb\"", 2},
		{"\"\t\"", 1},
		{"[\n\"a\x01\"]", 4},
		{"{\"a\x1f\":1}", 3},
	};

	assert_all_refused(rows, ARRAY_SIZE(rows));
	for (char c = 0; c < 0x20; c++)
		assert_refused((char[]){'[', '"', 'x', c, '"', ']', '\0'}, 6, 3);
}

Test(json_refused, bytes_that_are_no_utf8, .init = support_init)
{
	static const struct row rows[] = {
		{"[\"\xff\"]", 2},
		{"\"abc\xc3(def\"", 4},
		{"{\"\xed\xa0\x80\":1}", 2},
		{"[1,\n\"ok\",\n\"ab\xe2\x82\"]", 13},
		{"\xff", 0},
	};

	assert_all_refused(rows, ARRAY_SIZE(rows));
}

Test(json_refused, lone_surrogates, .init = support_init)
{
	static const struct row rows[] = {
		{"\"\\ud800\"", 1},	   {"\"\\udc00\"", 1},	      {"[\"ab\\ud800c\"]", 4},
		{"\"\\ud800\\u0041\"", 1}, {"\"\\ud800\\ud800\"", 1}, {"\"\\udc00\\ud800\"", 1},
		{"[1,\n\"\\uDBFFx\"]", 5}, {"{\"\\ud83d\":1}", 2},
	};

	assert_all_refused(rows, ARRAY_SIZE(rows));
}

Test(json_refused, escapes_that_stand_for_nothing, .init = support_init)
{
	static const struct row rows[] = {
		{"\"\\x41\"", 1},   {"\"\\a\"", 1},	   {"\"ab\\ \"", 3},
		{"\"\\'\"", 1},	    {"\"\\u12\"", 1},	   {"\"\\u\"", 1},
		{"\"\\u00g0\"", 1}, {"\"\\uZZZZabc\"", 1}, {"[\"a\\u 123\"]", 3},
		{"\"\\u+123\"", 1}, {"\"\\u000\"", 1},	   {"\"\\u00zzabc\"", 1},
	};

	assert_all_refused(rows, ARRAY_SIZE(rows));
}

Test(json_refused, text_after_the_end, .init = support_init)
{
	static const struct row rows[] = {
		{"{} x", 3},	   {"{} {}", 3}, {"1 2", 2},	 {"[]]", 2},
		{"\"a\"\"b\"", 3}, {"nulll", 4}, {"{}\n\n,", 4}, {"true 1", 5},
	};

	assert_all_refused(rows, ARRAY_SIZE(rows));
	assert_refused("{}\0", 3, 2);
	assert_refused("1\0"
		       "2",
		       3, 1);
}

Test(json_refused, what_stands_where_it_cannot, .init = support_init)
{
	static const struct row rows[] = {
		{"[1,]", 3},
		{"[,1]", 1},
		{"[1 2]", 3},
		{"{\"a\" 1}", 5},
		{"{\"a\":}", 5},
		{"{\"a\":1,}", 7},
		{"{,}", 1},
		{"{a:1}", 1},
		{"{'a':1}", 1},
		{"[1]\n}", 4},
		{"// x\n1", 0},
		{"[1,\n  ?]", 6},
		{"\xef\xbb\xbf{}", 0},
		{"{\"a\":1 \"b\":2}", 7},
		{"[\x0b"
		 "1]",
		 1},
	};

	assert_all_refused(rows, ARRAY_SIZE(rows));
}

Test(json_refused, words_that_are_no_values, .init = support_init)
{
	static const char *const words[] = {"tru",	 "nul", "fals", "True",
					    "truefalse", "[n]", "e",	"undefined"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		cJSON *json = NULL;

		cr_assert_eq(json_parse(words[i], strlen(words[i]), &json, NULL), -EINVAL, "%s",
			     words[i]);
		cr_assert_null(json);
	}
}

Test(json_refused, a_number_as_a_name, .init = support_init)
{
	static const struct row rows[] = {
		{"{1:2}", 1},
		{"{\"a\":1,\n 2:3}", 9},
		{"[{\"a\":{\"b\":0, 3:1}}]", 14},
	};

	assert_all_refused(rows, ARRAY_SIZE(rows));
}

/* The end is where it goes wrong, or the escape that is cut short. */
Test(json_refused, what_ends_too_soon, .init = support_init)
{
	static const char *const texts[] = {"",
					    " ",
					    "[",
					    "[1",
					    "[1,",
					    "{",
					    "{\"a\"",
					    "\"ab",
					    "{\"a\":",
					    "{\"a\":1",
					    "{\n \"a\": [\n",
					    "[\"x"};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_refused(texts[i], strlen(texts[i]), strlen(texts[i]));
	assert_refused("\"ab\\", 4, 3);
}

Test(json_refused, nesting_of_more_than_512, .init = support_init)
{
	char text[1026];

	memset(text, '[', 513);
	memset(text + 513, ']', 513);
	assert_refused(text, sizeof(text), 512);
	for (size_t i = 0; i < 513; i++)
		memcpy(&text[i * 2], "[\n", 2);
	assert_refused(text, 1024 + 2, 1024);
}

static const char sample[] =
	"{\"a\\u0000b\":[1.0,-0,12345678901234567890,\"x\\ud83d\\ude00\\u0001\"],"
	"\"é\":{\"t\":true,\"f\":false,\"n\":null,\"e\":\"\\\\u0000\\n\"}}";

Test(json_refused, damaged_texts_do_no_harm, .init = support_init)
{
	static const char bytes[] = "{}[]:,\"\\u01#9.eE+-tfn \n\x01\xc3\xa9\xff";
	unsigned seed = 1;

	for (int i = 0; i < 20000; i++) {
		char text[sizeof(sample)];
		_cleanup_json_ cJSON *json = NULL, *again = NULL;
		_cleanup_free_ char *printed = NULL;
		struct json_where where;
		size_t len = sizeof(sample) - 1;

		memcpy(text, sample, sizeof(text));
		for (int n = rand_r(&seed) % 4; n >= 0; n--)
			text[(size_t)rand_r(&seed) % len] =
				bytes[(size_t)rand_r(&seed) % sizeof(bytes)];
		len -= rand_r(&seed) % 4 ? 0 : (size_t)rand_r(&seed) % len;
		if (json_parse(text, len, &json, &where) < 0) {
			cr_assert_leq(where.offset, len);
			continue;
		}
		printed = support_print(json);
		again = support_parse(printed);
		cr_assert(support_same(json, again), "%s", printed);
	}
}
