// SPDX-License-Identifier: Apache-2.0
/* Names that occur twice in one object: found at any depth and in any spelling; the reported place
 * is the second occurrence of the earliest of them. */

#include "unit_support.h"

#include "edit/json_unique.h"

#include <stdio.h>

TestSuite(json_unique, .fini = support_fini, .timeout = 120);

static int check(const char *text, struct json_where *where)
{
	_cleanup_json_ cJSON *tree = support_parse(text);

	return json_check_unique(tree, text, strlen(text), where);
}

static void assert_unique(const char *text)
{
	struct json_where where = {0};

	cr_expect_eq(check(text, &where), 0, "%s: twice at %zu", text, where.offset);
}

/* The second coming is marked by '@' in front of it, which is no part of the text. */
static void assert_twice(const char *marked)
{
	_cleanup_free_ char *text = strdup(marked);
	size_t at = strcspn(text, "@"), line = 1, column = 1;
	struct json_where where = {0};

	memmove(text + at, text + at + 1, strlen(text + at));
	for (size_t i = 0; i < at; i++) {
		column = text[i] == '\n' ? 1 : column + 1;
		line += text[i] == '\n';
	}
	cr_expect_eq(check(text, &where), -EINVAL, "taken: %s", text);
	cr_expect(where.offset == at && where.line == line && where.column == column,
		  "%s: at %zu (line %zu, column %zu), not at %zu (line %zu, column %zu)", text,
		  where.offset, where.line, where.column, at, line, column);
	cr_expect_not_null(where.what);
}

Test(json_unique, names_that_stand_once_are_well, .init = support_init)
{
	assert_unique("{}");
	assert_unique("[]");
	assert_unique("1");
	assert_unique("\"a\"");
	assert_unique("null");
	assert_unique("{\"\":1}");
	assert_unique("{\"a\":1,\"b\":2,\"A\":3,\"ab\":4,\"\":5,\"a \":6}");
}

Test(json_unique, one_name_may_stand_in_many_objects, .init = support_init)
{
	assert_unique("{\"a\":{\"a\":{\"a\":1}}}");
	assert_unique("[{\"a\":1},{\"a\":1},[{\"a\":1}]]");
	assert_unique("{\"a\":{\"x\":1,\"y\":2},\"x\":{\"a\":1},\"y\":[{\"a\":1,\"x\":2}]}");
}

Test(json_unique, the_second_coming_is_found, .init = support_init)
{
	assert_twice("{\"a\":1,@\"a\":1}");
	assert_twice("{\"a\":1,\"b\":2,@\"a\":3}");
	assert_twice("{\"a\":1,@\"a\":2,\"a\":3}");
	assert_twice("{\"\":1,@\"\":2}");
	assert_twice("{\"z\":1,\"y\":2,\"x\":3,@\"y\":4}");
}

Test(json_unique, it_is_found_at_any_depth, .init = support_init)
{
	assert_twice("{\"o\":{\"a\":1,@\"a\":2}}");
	assert_twice("[1,[2,{\"b\":{\"a\":1,\"c\":{},@\"a\":2}}]]");
	assert_twice("{\"a\":[{\"a\":1},{\"a\":[],\"b\":{\"a\":1},@\"a\":{}}],\"b\":1}");
	assert_twice("{\"a\":{\"x\":1,\"y\":{\"z\":2}},\"b\":[{\"x\":1}],@\"a\":3}");
}

Test(json_unique, the_earliest_is_told, .init = support_init)
{
	assert_twice("{\"b\":1,\"a\":2,@\"b\":3,\"a\":4}");
	assert_twice("{\"a\":1,\"b\":{\"c\":1,@\"c\":2},\"a\":3}");
	assert_twice("{\"a\":1,@\"a\":{\"c\":1,\"c\":2}}");
	assert_twice("[{\"a\":1,\"b\":2,@\"b\":3},{\"a\":1,\"a\":2}]");
	assert_twice("{\"x\":{\"y\":{\"a\":1,@\"a\":2},\"y\":1},\"x\":2}");
}

Test(json_unique, other_spellings_are_the_same_name, .init = support_init)
{
	assert_twice("{\"a\":1,@\"\\u0061\":2}");
	assert_twice("{\"\\u0061\":1,@\"a\":2}");
	assert_twice("{\"/\":1,@\"\\/\":2}");
	assert_twice("{\"\\n\":1,@\"\\u000a\":2}");
	assert_twice("{\"\\u000A\":1,@\"\\u000a\":2}");
	assert_twice("{\"\\\"\":1,@\"\\u0022\":2}");
	assert_twice("{\"\\\\\":1,@\"\\u005c\":2}");
	assert_twice("{\"\xc3\xa9\":1,@\"\\u00e9\":2}");
	assert_twice("{\"\xf0\x9f\x98\x80\":1,@\"\\ud83d\\uDE00\":2}");
}

Test(json_unique, spellings_that_only_look_alike_are_not, .init = support_init)
{
	assert_unique("{\"a\":1,\"\\\\u0061\":2}");
	assert_unique("{\"\\n\":1,\"\\\\n\":2,\"n\":3}");
	assert_unique("{\"\xc3\xa9\":1,\"e\\u0301\":2}");
}

Test(json_unique, names_may_hold_nul, .init = support_init)
{
	assert_unique("{\"a\":1,\"a\\u0000\":2,\"a\\u0000b\":3,\"a\\u0000c\":4,\"\\u0000\":5}");
	assert_unique("{\"\\u0000\":1,\"\\u0001\":2,\"\\u00010\":3,\"0\":4,\"\\u0001#\":5}");
	assert_twice("{\"a\\u0000b\":1,\"a\":2,@\"a\\u0000b\":3}");
	assert_twice("{\"\\u0000\":1,@\"\\u0000\":2}");
	assert_twice("{\"\\u0001\":1,\"\\u0000\":2,@\"\\u0001\":3}");
}

Test(json_unique, strings_that_look_like_names_are_not_counted, .init = support_init)
{
	assert_twice("{\"a\":\"a\",\"b\":\"\\\"a\\\":1\",@\"a\":\"b\"}");
	assert_twice("{\"a\":[\"x\",\"a\",\"x\"],\"b\":\":\",@\"a\":1}");
	assert_twice("{\"a\":\"\\\\\",\"b\":\"{\\\"c\\\":\\\"\",@\"a\":\"\\\"\"}");
	assert_twice("[\"a\",\"a\",{\"a\":\"},{\\\"a\\\" :\",@\"a\":1}]");
	assert_twice("{\"\\\"a\\\":\":1,\"a\":2,@\"\\\"a\\\":\":3}");
	assert_unique("[\"a\",\"a\",\"a:\",\":\"]");
	assert_unique("{\"a\":\"\\\",\\\"a\\\":\\\"\"}");
}

Test(json_unique, lines_and_columns_are_counted_in_bytes, .init = support_init)
{
	assert_twice(" \n\t{ \"a\" : 1 ,\r\n\n  @\"a\" \n : 2 }\n");
	assert_twice("{\n  \"a\"\n:\n1,\n\"b\": {\n},\n@\"a\":2}");
	assert_twice("{\"\xc3\xa9\":\"\xe2\x82\xac\",@\"\xc3\xa9\":2}");
}

Test(json_unique, a_place_is_counted_from_1, .init = support_init)
{
	struct json_where where = {0};

	cr_assert_eq(check("{\"a\":1,\n \"a\":2}", &where), -EINVAL);
	cr_assert_eq(where.offset, 9);
	cr_assert_eq(where.line, 2);
	cr_assert_eq(where.column, 2);
}

Test(json_unique, what_is_unique_leaves_the_place_alone, .init = support_init)
{
	struct json_where where = {.offset = 7};

	cr_assert_eq(check("{\"a\":1}", &where), 0);
	cr_assert_eq(where.offset, 7);
	cr_assert_null(where.what);
}

/* Names of six digits each, in no order, of which the last is `last`; in an object within `depth`
 * others. */
static char *many(size_t members, size_t depth, size_t last)
{
	char *text = malloc(members * 11 + depth * 6 + 20), *to = text;

	cr_assert_not_null(text);
	for (size_t i = 0; i < depth; i++)
		to += sprintf(to, "{\"d\":");
	*to++ = '{';
	for (size_t i = 0; i + 1 < members; i++)
		to += sprintf(to, "\"%06zu\":1,", i * 7919 % members);
	to += sprintf(to, "\"%06zu\":1}", last);
	for (size_t i = 0; i < depth; i++)
		*to++ = '}';
	*to = '\0';
	return text;
}

static uint64_t cpu_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * NS_PER_SEC + (uint64_t)t.tv_nsec;
}

/* Without .init, so that trees are cJSON's own, and made in no time. */
static void assert_fast(size_t members, size_t depth)
{
	_cleanup_free_ char *good = many(members, depth, (members - 1) * 7919 % members);
	_cleanup_free_ char *bad = many(members, depth, 0);
	_cleanup_json_ cJSON *good_tree = cJSON_Parse(good), *bad_tree = cJSON_Parse(bad);
	struct json_where where = {0};
	uint64_t start = cpu_time();

	cr_assert_eq(json_check_unique(good_tree, good, strlen(good), &where), 0);
	cr_assert_eq(json_check_unique(bad_tree, bad, strlen(bad), &where), -EINVAL);
	cr_assert_eq(where.offset, depth * 5 + 1 + (members - 1) * 11);
	cr_assert_lt(cpu_time() - start, 2 * NS_PER_SEC);
}

Test(json_unique, ten_thousand_members_are_fast)
{
	assert_fast(10000, 0);
	assert_fast(10000, 300);
}

/* Each with each they would be compared for a quarter of a minute. */
Test(json_unique, it_takes_no_square_of_the_members)
{
	assert_fast(100000, 0);
}
