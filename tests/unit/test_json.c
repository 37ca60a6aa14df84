// SPDX-License-Identifier: Apache-2.0
/* JSON that loses nothing: numbers keep their text, strings and names may hold NUL and U+0001,
 * duplicates stay, and printed text parses to the same tree, in both forms and for random trees.
 * Refusals are in test_json_refused.c. */

#include "unit_support.h"

#include "base/json.h"
#include "base/secmem.h"

#include <stdio.h>

TestSuite(json, .fini = support_fini, .timeout = 120);

/* Checks that the text comes back unchanged. */
static void assert_survives(const char *text)
{
	_cleanup_json_ cJSON *json = support_parse(text);
	_cleanup_free_ char *again = support_print(json);

	cr_assert_str_eq(again, text);
}

static void assert_bytes(const cJSON *string, const char *bytes, size_t len)
{
	char to[64];

	cr_assert(cJSON_IsString(string));
	cr_assert_eq(json_string_len(string), len);
	cr_assert_leq(len, sizeof(to));
	json_string_copy(string, to);
	cr_assert_eq(memcmp(to, bytes, len), 0);
}

Test(json, numbers_keep_their_text, .init = support_init)
{
	static const char *const numbers[] = {
		"0",
		"-0",
		"1",
		"12345678901234567890",
		"1.0",
		"12.50",
		"1e400",
		"-1E-400",
		"1e+05",
		"0.1e00",
		"-0.0000",
		"3.141592653589793238462643383279",
		"99999999999999999999999999999999999999999999999999999999999999999999999999999999",
	};

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		_cleanup_json_ cJSON *json = support_parse(numbers[i]);

		cr_assert(json_is_number(json), "%s", numbers[i]);
		assert_survives(numbers[i]);
	}
	assert_survives("{\"a\":[1.0,-0,{\"b\":12345678901234567890}],\"c\":1e400}");
}

Test(json, only_numbers_are_numbers, .init = support_init)
{
	_cleanup_json_ cJSON *json =
		support_parse("[\"1\",\"\\u0001#1\",true,false,null,{},[],\"#1\",\"\"]");

	for (const cJSON *item = json->child; item; item = item->next)
		cr_assert_not(json_is_number(item));
}

Test(json, values_of_all_types_survive, .init = support_init)
{
	assert_survives(
		"{\"s\":\"x\",\"n\":1,\"t\":true,\"f\":false,\"z\":null,\"o\":{},\"a\":[]}");
	assert_survives("[[[]],{\"a\":{\"b\":{}}}]");
	assert_survives("\"\"");
	assert_survives("null");
	assert_survives("{\"\":\"\"}");
}

Test(json, blanks_between_are_no_matter, .init = support_init)
{
	_cleanup_json_ cJSON *json = support_parse(" \t\r\n{ \"a\" :\n[ 1 , 2 ]\t}\r\n ");
	_cleanup_free_ char *text = support_print(json);

	cr_assert_str_eq(text, "{\"a\":[1,2]}");
}

Test(json, nul_and_one_survive_in_strings, .init = support_init)
{
	_cleanup_json_ cJSON *json = support_parse("\"a\\u0000b\\u0001c\\u00000\\u0001\\u0000\"");

	assert_bytes(json,
		     "a\0b\1c\0"
		     "0\1\0",
		     9);
	assert_survives("\"a\\u0000b\\u0001c\\u00000\\u0001\\u0000\"");
	assert_survives("\"\\u0000\"");
	assert_survives("\"\\u0001\"");
	assert_survives("\"\\u0001#1\"");
	assert_survives("\"\\u00010\\u00011\"");
}

Test(json, nul_and_one_survive_in_names, .init = support_init)
{
	_cleanup_json_ cJSON *json = support_parse("{\"a\\u0000b\\u0001\":1}");
	char name[4];

	cr_assert_eq(json_key_len(json->child), 4);
	json_key_copy(json->child, name);
	cr_assert_eq(memcmp(name, "a\0b\1", 4), 0);
	assert_survives("{\"a\\u0000b\\u0001\":1}");
	assert_survives("{\"\\u0001#1\":2,\"\\u0000\":{\"\\u0001\":\"\\u0000\"}}");
}

Test(json, a_backslash_before_u0000_is_text, .init = support_init)
{
	_cleanup_json_ cJSON *json = support_parse("\"\\\\u0000\\\\\\\\u0001\"");

	assert_bytes(json, "\\u0000\\\\u0001", 13);
	assert_survives("\"\\\\u0000\\\\\\\\u0001\"");
	assert_survives("\"\\\\\\u0001x\"");
}

Test(json, escapes_are_the_characters_that_they_stand_for, .init = support_init)
{
	_cleanup_json_ cJSON *json =
		support_parse("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u20AC\\ud83d\\uDE00\"");

	assert_bytes(json, "\"\\/\b\f\n\r\tA\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 18);
}

Test(json, every_control_character_survives, .init = support_init)
{
	for (unsigned c = 0; c <= 0x7f; c++) {
		char bytes[] = {'x', (char)c, '0', (char)c};
		_cleanup_json_ cJSON *json = json_new_string(bytes, sizeof(bytes)), *again = NULL;
		_cleanup_free_ char *text = support_print(json);

		for (const char *p = text; *p; p++)
			cr_assert_geq(*p, 0x20, "%u is printed raw", c);
		again = support_parse(text);
		assert_bytes(again, bytes, sizeof(bytes));
	}
}

Test(json, duplicates_stay_as_siblings, .init = support_init)
{
	_cleanup_json_ cJSON *json = support_parse("{\"a\":1,\"b\":2,\"a\":3}");

	cr_assert_eq(cJSON_GetArraySize(json), 3);
	assert_survives("{\"a\":1,\"b\":2,\"a\":3}");
}

Test(json, pretty_is_the_same_with_line_breaks, .init = support_init)
{
	static const char text[] = "{\"a\":[1.0,{\"b\\u0000\":\"c\\u0001\"}],\"d\":1e400}";
	_cleanup_json_ cJSON *json = support_parse(text), *again = NULL;
	_cleanup_buf_ struct buf b = {0};
	_cleanup_free_ char *compact = NULL;

	cr_assert_eq(json_print(json, true, &b), 0);
	cr_assert_not_null(strchr(b.data, '\n'));
	again = support_parse(b.data);
	compact = support_print(again);
	cr_assert_str_eq(compact, text);
}

Test(json, compact_has_no_blank, .init = support_init)
{
	_cleanup_json_ cJSON *json = support_parse("{ \"a\" : [ 1, { } ] }");
	_cleanup_free_ char *text = support_print(json);

	cr_assert_eq(strcspn(text, " \t\r\n"), strlen(text));
}

Test(json, print_appends, .init = support_init)
{
	_cleanup_json_ cJSON *json = support_parse("[1]");
	_cleanup_buf_ struct buf b = {0};

	buf_add_str(&b, "x=");
	cr_assert_eq(json_print(json, false, &b), 0);
	cr_assert_eq(json_print(json, false, &b), 0);
	cr_assert_str_eq(b.data, "x=[1][1]");
}

Test(json, a_raw_value_is_its_text, .init = support_init)
{
	static const char *const texts[] = {
		"1.50",		 "{\"a\":1}",	     "[\"\\u0000\"]", "{\"a\":\"\\u0001x\"}",
		"[\"\\u0001\"]", "[\"\\u00010\",1]", "\"\\\\u0001\"",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_cleanup_json_ cJSON *object = cJSON_CreateObject();
		_cleanup_free_ char *text = NULL;
		char expected[64];

		cr_assert_eq(json_add(object, "k", 1, json_new_raw(texts[i], strlen(texts[i]))), 0);
		text = support_print(object);
		snprintf(expected, sizeof(expected), "{\"k\":%s}", texts[i]);
		cr_assert_str_eq(text, expected);
	}
}

Test(json, add_takes_names_with_nul_and_keeps_the_order, .init = support_init)
{
	_cleanup_json_ cJSON *object = cJSON_CreateObject();
	_cleanup_free_ char *text = NULL;

	cr_assert_eq(json_add(object, "b\0c", 3, json_new_string("\0", 1)), 0);
	cr_assert_eq(json_add(object, "", 0, json_new_string("", 0)), 0);
	cr_assert_eq(json_add(object, "a", 1, json_new_raw("7", 1)), 0);
	text = support_print(object);
	cr_assert_str_eq(text, "{\"b\\u0000c\":\"\\u0000\",\"\":\"\",\"a\":7}");
	cr_assert_eq(json_add(object, "x", 1, NULL), -ENOMEM);
}

Test(json, get_finds_by_exact_name, .init = support_init)
{
	_cleanup_json_ cJSON *json =
		support_parse("{\"Abc\":\"no\",\"abc\":\"yes\",\"n\":[\"abc\"]}");

	cr_assert_str_eq(json_get_str(json, "abc"), "yes");
	cr_assert_null(json_get(json, "ab"));
	cr_assert_null(json_get(json_get(json, "n"), "abc"));
	cr_assert_null(json_get(json_get(json, "abc"), "abc"));
	cr_assert_null(json_get(NULL, "abc"));
}

Test(json, get_str_wants_a_text, .init = support_init)
{
	_cleanup_json_ cJSON *json =
		support_parse("{\"s\":\"x\",\"e\":\"\",\"n\":1,\"z\":null,\"nul\":\"a\\u0000b\"}");

	cr_assert_str_eq(json_get_str(json, "s"), "x");
	cr_assert_null(json_get_str(json, "e"));
	cr_assert_null(json_get_str(json, "n"));
	cr_assert_null(json_get_str(json, "z"));
	cr_assert_null(json_get_str(json, "nul"));
	cr_assert_null(json_get_str(json, "missing"));
	cr_assert_null(json_get_str(NULL, "s"));
}

Test(json, get_int_wants_a_whole_number, .init = support_init)
{
	_cleanup_json_ cJSON *json = support_parse(
		"{\"a\":42,\"b\":-7,\"c\":1.5,\"d\":1e3,\"e\":\"42\",\"f\":9223372036854775807,"
		"\"g\":9223372036854775808,\"h\":true,\"i\":-9223372036854775808,\"j\":0}");

	cr_assert_eq(json_get_int(json, "a", -1), 42);
	cr_assert_eq(json_get_int(json, "b", -1), -7);
	cr_assert_eq(json_get_int(json, "f", -1), INT64_MAX);
	cr_assert_eq(json_get_int(json, "i", -1), INT64_MIN);
	cr_assert_eq(json_get_int(json, "j", -1), 0);
	for (const char *p = "cdegh"; *p; p++) {
		char name[] = {*p, '\0'};

		cr_assert_eq(json_get_int(json, name, -1), -1, "%s", name);
	}
	cr_assert_eq(json_get_int(json, "missing", 5), 5);
	cr_assert_eq(json_get_int(NULL, "a", 5), 5);
}

Test(json, get_bool_wants_a_boolean, .init = support_init)
{
	_cleanup_json_ cJSON *json =
		support_parse("{\"t\":true,\"f\":false,\"s\":\"true\",\"n\":1}");

	cr_assert(json_get_bool(json, "t"));
	cr_assert_not(json_get_bool(json, "f"));
	cr_assert_not(json_get_bool(json, "s"));
	cr_assert_not(json_get_bool(json, "n"));
	cr_assert_not(json_get_bool(json, "missing"));
}

Test(json, trees_live_in_secret_memory, .init = support_init)
{
	size_t before = secmem_used();
	cJSON *json = support_parse("{\"token\":\"a token that is long enough to be seen\"}");

	cr_assert_gt(secmem_used(), before + 40);
	cJSON_Delete(json);
	cr_assert_eq(secmem_used(), before);
}

Test(json, the_text_need_not_end_with_a_nul, .init = support_init)
{
	static const char text[] = "[12]34\"";
	_cleanup_json_ cJSON *json = NULL;
	_cleanup_free_ char *again = NULL;

	cr_assert_eq(json_parse(text, 4, &json, NULL), 0);
	again = support_print(json);
	cr_assert_str_eq(again, "[12]");
}

Test(json, deep_nesting_is_fine_up_to_512, .init = support_init)
{
	char text[1025];
	_cleanup_json_ cJSON *json = NULL;

	memset(text, '[', 512);
	memset(text + 512, ']', 512);
	text[1024] = '\0';
	assert_survives(text);
}

/* Random trees, for what nobody thinks of. The seeds are fixed, so that a failure comes back. */

static char *random_bytes(unsigned *seed, size_t *len)
{
	static const char *const pieces[] = {"a", "\\", "\"", "/", "\x01", "\x1f", "\x7f", "é", "€",
					     "😀", "0",	"#",  "1", "u",	   "\n",   " ",	   "{"};
	_cleanup_buf_ struct buf b = {0};
	char *bytes;

	for (int n = rand_r(seed) % 8; n > 0; n--) {
		size_t i = (size_t)rand_r(seed) % (ARRAY_SIZE(pieces) + 1);

		if (i == ARRAY_SIZE(pieces))
			buf_add(&b, "\0", 1);
		else
			buf_add_str(&b, pieces[i]);
	}
	*len = b.len;
	bytes = calloc(1, b.len + 1);
	if (b.len)
		memcpy(bytes, b.data, b.len);
	return bytes;
}

static cJSON *random_tree(unsigned *seed, int depth)
{
	_cleanup_free_ char *bytes = NULL;
	bool object = rand_r(seed) % 2;
	char number[32];
	size_t len;
	cJSON *tree;

	switch (rand_r(seed) % (depth > 0 ? 6 : 4)) {
	case 0:
		snprintf(number, sizeof(number), "%d.%de%d", rand_r(seed), rand_r(seed) % 1000,
			 rand_r(seed) % 900);
		return json_new_raw(number, strlen(number));
	case 1:
		return rand_r(seed) % 2 ? cJSON_CreateNull() : cJSON_CreateBool(rand_r(seed) % 2);
	case 2:
	case 3:
		bytes = random_bytes(seed, &len);
		return json_new_string(bytes, len);
	}
	tree = object ? cJSON_CreateObject() : cJSON_CreateArray();
	for (int n = rand_r(seed) % 5; n > 0; n--) {
		_cleanup_free_ char *name = random_bytes(seed, &len);

		if (object)
			json_add(tree, name, len, random_tree(seed, depth - 1));
		else
			cJSON_AddItemToArray(tree, random_tree(seed, depth - 1));
	}
	return tree;
}

Test(json, random_trees_come_back_the_same, .init = support_init)
{
	for (unsigned i = 0; i < 3000; i++) {
		unsigned seed = i;
		_cleanup_json_ cJSON *tree = random_tree(&seed, 4), *again = NULL, *third = NULL;
		_cleanup_free_ char *text = support_print(tree), *second = NULL;
		_cleanup_buf_ struct buf pretty = {0};

		again = support_parse(text);
		cr_assert(support_same(tree, again), "seed %u: %s", i, text);
		cr_assert_eq(json_print(again, true, &pretty), 0);
		third = support_parse(pretty.data);
		second = support_print(third);
		cr_assert_str_eq(second, text, "seed %u", i);
	}
}

/* However deep it is cut, what is printed is the same. */
Test(json, an_inner_value_may_be_its_text, .init = support_init)
{
	static const char text[] = " { \"a\" : [ 1.10 , {\"b\\u0000\\/\\u00e9\\ud83d\\ude00\\t\\u001f\\u0001\" : "
				   "\"\\\"\\\\\\u003c\\u0022\\u005c\\b\" }, [ ], { } , null ] , \"c\":\"d\"}";
	_cleanup_json_ cJSON *whole = support_parse(text);
	_cleanup_free_ char *expected = support_print(whole);

	for (size_t depth = 0; depth < 5; depth++) {
		_cleanup_json_ cJSON *tree = NULL;
		_cleanup_free_ char *printed = NULL;

		cr_assert_eq(json_parse_shallow(text, strlen(text), depth, &tree, NULL), 0);
		printed = support_print(tree);
		cr_assert_str_eq(printed, expected, "%zu", depth);
		cr_assert_eq(cJSON_IsRaw(tree), depth == 0);
		cr_assert_eq(cJSON_IsRaw(json_get(tree, "a")), depth == 1);
		cr_assert_not(json_is_number(json_get(tree, "a")));
	}
}

Test(json, a_text_has_no_more_values_than_its_length_makes_likely, .init = support_init)
{
	_cleanup_buf_ struct buf text = {0};
	_cleanup_json_ cJSON *tree = NULL, *shallow = NULL;
	struct json_where where;

	buf_add_str(&text, "{\"a\":[0");
	for (size_t i = 0; i < 100000; i++)
		buf_add_str(&text, ",0");
	buf_add_str(&text, "]}");
	cr_assert_eq(json_parse(text.data, text.len, &tree, &where), -EINVAL);
	cr_assert_str_eq(where.what, "too many values for its length");
	cr_assert_eq(json_parse_shallow(text.data, text.len, 1, &shallow, NULL), 0);
	cr_assert_eq(strlen(json_get(shallow, "a")->valuestring), text.len - 6);
}
