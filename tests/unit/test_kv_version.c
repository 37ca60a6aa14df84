// SPDX-License-Identifier: Apache-2.0
/* Versions of secrets: what is read from a server's answer, in which state it is, how fields are found
 * by names that may hold NUL, what changes make of it, and that its JSON says the same again. */

#include "unit_support.h"

#include "base/secmem.h"
#include "kv/kv_version.h"

TestSuite(kv_version, .fini = support_fini, .timeout = 120);

#define NOW_AND_THEN "\"created_time\":\"2024-02-29T12:34:56.5Z\",\"deletion_time\":\"\""

static int parse(const char *data, const char *metadata, struct kv_version **out)
{
	_cleanup_json_ cJSON *d = data ? support_parse(data) : NULL;
	_cleanup_json_ cJSON *m = metadata ? support_parse(metadata) : NULL;

	return kv_version_parse(d, m, out);
}

static struct kv_version *version_of(const char *data)
{
	struct kv_version *v = NULL;

	cr_assert_eq(parse(data, "{\"version\":7," NOW_AND_THEN "}", &v), 0, "%s", data);
	return v;
}

static void assert_field(const struct kv_version *v, const char *name, size_t name_len,
			 enum kv_type type, const char *text, size_t len)
{
	const struct kv_field *f = kv_version_field(v, name, name_len);

	cr_assert_not_null(f, "%s", name);
	cr_assert_eq(f->name_len, name_len);
	cr_assert_eq(memcmp(f->name, name, name_len + 1), 0, "the name has no NUL behind");
	cr_assert_eq(f->type, type, "%s", name);
	cr_assert_eq(f->len, len, "%s", name);
	cr_assert_eq(memcmp(f->text, text, len + 1), 0, "%s is %s", name, f->text);
}

static void assert_text(const struct kv_version *v, const char *name, enum kv_type type,
			const char *text)
{
	assert_field(v, name, strlen(name), type, text, strlen(text));
}

Test(kv_version, fields_have_their_type_and_compact_text, .init = support_init)
{
	_cleanup_object_ struct kv_version *v = version_of(
		"{\"s\":\"x y\",\"n\":12345678901234567890,\"one\":1.0,\"t\":true,\"f\":false,"
		"\"z\":null,\"o\":{ \"a\" : [ 1 ] },\"a\":[ ],\"e\":\"\"}");

	cr_assert_eq(v->count, 9);
	assert_text(v, "s", KV_STRING, "x y");
	assert_text(v, "n", KV_NUMBER, "12345678901234567890");
	assert_text(v, "one", KV_NUMBER, "1.0");
	assert_text(v, "t", KV_TRUE, "true");
	assert_text(v, "f", KV_FALSE, "false");
	assert_text(v, "z", KV_NULL, "null");
	assert_text(v, "o", KV_OBJECT, "{\"a\":[1]}");
	assert_text(v, "a", KV_ARRAY, "[]");
	assert_text(v, "e", KV_STRING, "");
}

Test(kv_version, fields_are_in_bytewise_order, .init = support_init)
{
	_cleanup_object_ struct kv_version *v = version_of(
		"{\"b\":1,\"a\":2,\"\":3,\"ab\":4,\"B\":5,\"é\":6,\"a\\u0000\":7,\"a\\u0001\":8}");
	static const char *const order[] = {"", "B", "a", "a\0", "a\1", "ab", "b", "é"};

	cr_assert_eq(v->count, ARRAY_SIZE(order));
	for (size_t i = 0; i < v->count; i++)
		cr_assert_eq(memcmp(v->fields[i].name, order[i], v->fields[i].name_len), 0, "%zu",
			     i);
	cr_assert_eq(v->fields[3].name_len, 2);
}

Test(kv_version, names_and_values_may_hold_nul, .init = support_init)
{
	_cleanup_object_ struct kv_version *v = version_of(
		"{\"a\\u0000b\":\"x\\u0000y\",\"a\":\"short\",\"a\\u0000c\":\"\\u0001\"}");

	assert_field(v, "a\0b", 3, KV_STRING, "x\0y", 3);
	assert_field(v, "a\0c", 3, KV_STRING, "\1", 1);
	assert_field(v, "a", 1, KV_STRING, "short", 5);
	cr_assert_null(kv_version_field(v, "a\0", 2));
	cr_assert_null(kv_version_field(v, "a\0d", 3));
	cr_assert_null(kv_version_field(v, "", 0));
}

Test(kv_version, the_empty_name_is_a_name, .init = support_init)
{
	_cleanup_object_ struct kv_version *v = version_of("{\"\":\"x\"}");

	assert_field(v, "", 0, KV_STRING, "x", 1);
}

Test(kv_version, metadata_gives_number_and_times, .init = support_init)
{
	_cleanup_object_ struct kv_version *v = version_of("{}");

	cr_assert_eq(v->state, KV_LIVE);
	cr_assert_eq(v->number, 7);
	cr_assert_eq(v->created, INT64_C(1709210096500000000));
	cr_assert_eq(v->deletion, 0);
	cr_assert_eq(v->count, 0);
}

Test(kv_version, states_are_told_apart, .init = support_init)
{
	static const struct {
		const char *data, *metadata;
		enum kv_state state;
		int64_t number;
	} rows[] = {
		{NULL, NULL, KV_ABSENT, 0},
		{NULL,
		 "{\"version\":0,\"created_time\":\"\",\"deletion_time\":\"\",\"destroyed\":false}",
		 KV_ABSENT, 0},
		{"{\"a\":1}", "{\"version\":1,\"destroyed\":false}", KV_LIVE, 1},
		{"{}", "{\"version\":2}", KV_LIVE, 2},
		{NULL,
		 "{\"version\":3,\"deletion_time\":\"2024-02-29T12:34:56Z\",\"destroyed\":false}",
		 KV_DELETED, 3},
		{"null",
		 "{\"version\":3,\"deletion_time\":\"2024-02-29T12:34:56Z\",\"destroyed\":false}",
		 KV_DELETED, 3},
		{NULL, "{\"version\":4,\"deletion_time\":\"\",\"destroyed\":true}", KV_DESTROYED,
		 4},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_object_ struct kv_version *v = NULL;

		cr_assert_eq(parse(rows[i].data, rows[i].metadata, &v), 0, "%zu", i);
		cr_assert_eq(v->state, rows[i].state, "%zu", i);
		cr_assert_eq(v->number, rows[i].number, "%zu", i);
	}
}

/* delete_version_after sets one: the version is readable until then. */
Test(kv_version, a_deletion_time_in_the_future_is_live, .init = support_init)
{
	_cleanup_object_ struct kv_version *v = NULL;

	cr_assert_eq(parse("{\"a\":\"1\"}",
			   "{\"version\":5,\"deletion_time\":\"2200-01-01T00:00:00Z\","
			   "\"destroyed\":false}",
			   &v),
		     0);
	cr_assert_eq(v->state, KV_LIVE);
	cr_assert_eq(v->deletion, INT64_C(7258118400000000000));
	assert_text(v, "a", KV_STRING, "1");
}

Test(kv_version, what_is_not_live_has_no_fields, .init = support_init)
{
	_cleanup_object_ struct kv_version *v = NULL;

	cr_assert_eq(parse("{\"a\":\"1\"}", "{\"version\":5,\"destroyed\":true}", &v), 0);
	cr_assert_eq(v->state, KV_DESTROYED);
	cr_assert_eq(v->count, 0);
}

Test(kv_version, what_is_no_secret_is_refused, .init = support_init)
{
	static const struct {
		const char *data, *metadata;
	} rows[] = {
		{"[]", "{\"version\":1}"},
		{"\"x\"", "{\"version\":1}"},
		{"1", "{\"version\":1}"},
		{"{}", "[]"},
		{"{}", "{}"},
		{"{}", "{\"version\":\"1\"}"},
		{"{}", "{\"version\":-1}"},
		{"{}", "{\"version\":1.5}"},
		{"{}", "{\"version\":null}"},
	};
	size_t before = secmem_used();

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct kv_version *v = NULL;

		cr_assert_eq(parse(rows[i].data, rows[i].metadata, &v), -EIO, "%zu", i);
		cr_assert_null(v);
	}
	cr_assert_eq(secmem_used(), before);
}

Test(kv_version, a_name_that_is_there_twice_is_refused, .init = support_init)
{
	struct kv_version *v = NULL;

	cr_assert_eq(parse("{\"a\":1,\"b\":2,\"a\":3}", NULL, &v), -EIO);
	cr_assert_eq(parse("{\"a\\u0000\":1,\"a\\u0000\":1}", NULL, &v), -EIO);
	cr_assert_null(v);
}

Test(kv_version, it_lives_in_secret_memory_and_says_how_much, .init = support_init)
{
	size_t before = secmem_used();
	struct kv_version *v = version_of("{\"a\":\"0123456789\",\"b\":[1,2,3]}");

	cr_assert_eq(secmem_used() - before, v->object.size);
	object_put(object_ref(v));
	cr_assert_gt(secmem_used(), before);
	object_put(v);
	cr_assert_eq(secmem_used(), before);
}

static void assert_round_trip(const char *data)
{
	_cleanup_object_ struct kv_version *v = version_of(data), *again = NULL;
	_cleanup_json_ cJSON *json = kv_version_json(v), *parsed = NULL;
	_cleanup_free_ char *text = support_print(json);

	parsed = support_parse(text);
	cr_assert_eq(kv_version_parse(parsed, NULL, &again), 0, "%s became %s", data, text);
	cr_assert_eq(again->count, v->count);
	for (size_t i = 0; i < v->count; i++) {
		cr_assert_eq(again->fields[i].name_len, v->fields[i].name_len);
		cr_assert_eq(
			memcmp(again->fields[i].name, v->fields[i].name, v->fields[i].name_len), 0);
		cr_assert(kv_field_equal(&again->fields[i], &v->fields[i]), "%s became %s", data,
			  text);
	}
}

Test(kv_version, its_json_says_the_same, .init = support_init)
{
	assert_round_trip("{}");
	assert_round_trip(
		"{\"s\":\"x\",\"n\":1.0,\"big\":12345678901234567890,\"e\":1e400,\"m\":-0}");
	assert_round_trip(
		"{\"t\":true,\"f\":false,\"z\":null,\"o\":{\"a\":{\"b\":[]}},\"a\":[1,\"2\"]}");
	assert_round_trip(
		"{\"\":\"\",\"a\\u0000b\":\"x\\u0000y\",\"\\u0001\":\"\\u0001\\n\\\"\\\\\"}");
	assert_round_trip("{\"o\":{\"k\\u0000\":\"v\\u0000w\"},\"a\":[\"\\u0000\"]}");
}

Test(kv_version, its_json_keeps_u0001_within_objects, .init = support_init)
{
	assert_round_trip("{\"o\":{\"k\":\"\\u0001x\"}}");
	assert_round_trip("{\"a\":[\"\\u0001\"]}");
	assert_round_trip("{\"a\":[\"\\u00010\",{\"\\u0001\":1}]}");
}

#define CHANGE(n, t, v)                                                                            \
	{                                                                                          \
		.name = (n), .name_len = strlen(n), .type = (t), .text = (v), .len = strlen(v)     \
	}
#define REMOVE(n)                                                                                  \
	{                                                                                          \
		.name = (n), .name_len = strlen(n), .remove = true                                 \
	}

static void assert_becomes(const struct kv_version *base, const struct kv_change *changes, size_t n,
			   const char *expected)
{
	_cleanup_object_ struct kv_version *v = kv_version_apply(base, changes, n, false);
	_cleanup_json_ cJSON *json = kv_version_json(v);
	_cleanup_free_ char *text = support_print(json);

	cr_assert_str_eq(text, expected);
	cr_assert_eq(v->state, KV_LIVE);
	cr_assert_eq(v->number, base->number);
}

Test(kv_version, changes_set_replace_and_remove, .init = support_init)
{
	_cleanup_object_ struct kv_version *base = version_of("{\"b\":\"2\",\"d\":4,\"f\":true}");
	const struct kv_change changes[] = {
		CHANGE("a", KV_STRING, "new"), CHANGE("b", KV_NUMBER, "2.0"), REMOVE("d"),
		CHANGE("z", KV_ARRAY, "[1]"),  REMOVE("not there"),
	};

	assert_becomes(base, changes, 5, "{\"a\":\"new\",\"b\":2.0,\"f\":true,\"z\":[1]}");
	assert_becomes(base, changes, 0, "{\"b\":\"2\",\"d\":4,\"f\":true}");
	cr_assert_eq(base->count, 3, "the base was changed");
}

Test(kv_version, the_last_change_wins, .init = support_init)
{
	_cleanup_object_ struct kv_version *base =
		version_of("{\"a\":\"0\",\"b\":\"0\",\"c\":\"0\"}");
	const struct kv_change changes[] = {
		CHANGE("a", KV_STRING, "1"),
		REMOVE("b"),
		CHANGE("c", KV_STRING, "1"),
		REMOVE("n"),
		CHANGE("a", KV_STRING, "2"),
		CHANGE("b", KV_STRING, "2"),
		REMOVE("c"),
		CHANGE("n", KV_STRING, "2"),
	};

	assert_becomes(base, changes, ARRAY_SIZE(changes), "{\"a\":\"2\",\"b\":\"2\",\"n\":\"2\"}");
}

Test(kv_version, changes_may_have_any_bytes_for_a_name, .init = support_init)
{
	_cleanup_object_ struct kv_version *base =
		version_of("{\"a\\u0000\":\"old\",\"a\":\"stays\"}");
	const struct kv_change changes[] = {
		{.name = "a\0", .name_len = 2, .text = "n\0w", .len = 3},
		{.name = "", .name_len = 0, .text = "", .len = 0},
	};
	_cleanup_object_ struct kv_version *v = kv_version_apply(base, changes, 2, false);

	cr_assert_eq(v->count, 3);
	assert_field(v, "a\0", 2, KV_STRING, "n\0w", 3);
	assert_field(v, "a", 1, KV_STRING, "stays", 5);
	assert_field(v, "", 0, KV_STRING, "", 0);
}

Test(kv_version, a_change_brings_an_absent_secret_to_life, .init = support_init)
{
	_cleanup_object_ struct kv_version *base = kv_version_empty(KV_DELETED, 3);
	const struct kv_change change = CHANGE("a", KV_STRING, "1");

	cr_assert_eq(base->state, KV_DELETED);
	cr_assert_eq(base->count, 0);
	cr_assert_null(kv_version_field(base, "a", 1));
	assert_becomes(base, &change, 1, "{\"a\":\"1\"}");
}

Test(kv_version, a_whole_keeps_nothing_of_what_was_there, .init = support_init)
{
	_cleanup_object_ struct kv_version *base = version_of("{\"a\":\"1\",\"b\":\"2\"}");
	const struct kv_change changes[] = {
		CHANGE("b", KV_NUMBER, "3"),
		CHANGE("c", KV_STRING, "4"),
	};
	_cleanup_object_ struct kv_version *v = kv_version_apply(base, changes, 2, true);
	_cleanup_object_ struct kv_version *none = kv_version_apply(base, NULL, 0, true);

	cr_assert_eq(v->count, 2);
	cr_assert_eq(v->number, 7);
	assert_text(v, "b", KV_NUMBER, "3");
	assert_text(v, "c", KV_STRING, "4");
	cr_assert_eq(none->state, KV_LIVE);
	cr_assert_eq(none->count, 0);
	cr_assert_eq(base->count, 2, "the base was changed");
}

Test(kv_version, what_is_applied_borrows_nothing, .init = support_init)
{
	struct kv_version *base = version_of("{\"a\":\"stays\"}"), *v;
	char name[] = "b", text[] = "new";
	const struct kv_change change = CHANGE(name, KV_STRING, text);

	v = kv_version_apply(base, &change, 1, false);
	object_put(base);
	memset(name, 'x', 1);
	memset(text, 'x', 3);
	assert_text(v, "a", KV_STRING, "stays");
	assert_text(v, "b", KV_STRING, "new");
	object_put(v);
}

Test(kv_version, versions_are_the_same_by_number_and_state, .init = support_init)
{
	_cleanup_object_ struct kv_version *a = version_of("{\"x\":1}"),
					   *b = version_of("{\"x\":1}");
	_cleanup_object_ struct kv_version *live = kv_version_empty(KV_LIVE, 1);
	_cleanup_object_ struct kv_version *dead = kv_version_empty(KV_DELETED, 1);
	_cleanup_object_ struct kv_version *next = kv_version_empty(KV_LIVE, 2);

	cr_assert(kv_version_same(a, b));
	cr_assert_not(kv_version_same(live, dead));
	cr_assert_not(kv_version_same(live, next));
	cr_assert_not(kv_version_same(a, live));
}

Test(kv_version, types_have_names, .init = support_init)
{
	static const struct {
		enum kv_type type;
		const char *name;
	} rows[] = {
		{KV_STRING, "string"}, {KV_NUMBER, "number"}, {KV_TRUE, "boolean"},
		{KV_NULL, "null"},     {KV_OBJECT, "object"}, {KV_ARRAY, "array"},
	};
	static const char *const none[] = {"",	   "String", "strin", "strings", "true",
					   "bool", "int",    "nul",   "null "};
	enum kv_type type;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cr_assert_str_eq(kv_type_name(rows[i].type), rows[i].name);
		cr_assert_eq(kv_type_parse(rows[i].name, strlen(rows[i].name), &type), 0);
		cr_assert_eq(type, rows[i].type);
	}
	cr_assert_str_eq(kv_type_name(KV_FALSE), "boolean");
	for (size_t i = 0; i < ARRAY_SIZE(none); i++)
		cr_assert_eq(kv_type_parse(none[i], strlen(none[i]), &type), -EINVAL, "%s",
			     none[i]);
	cr_assert_eq(kv_type_parse("number of", 6, &type), 0);
	cr_assert_eq(kv_type_parse("null\0", 5, &type), -EINVAL);
}

Test(kv_version, fields_are_equal_by_type_and_text, .init = support_init)
{
	const struct kv_field one = {.text = "1", .len = 1, .type = KV_STRING};
	const struct kv_field same = {.name = "other", .text = "1", .len = 1, .type = KV_STRING};
	const struct kv_field number = {.text = "1", .len = 1, .type = KV_NUMBER};
	const struct kv_field longer = {.text = "1\0", .len = 2, .type = KV_STRING};

	cr_assert(kv_field_equal(&one, &same));
	cr_assert_not(kv_field_equal(&one, &number));
	cr_assert_not(kv_field_equal(&one, &longer));
	cr_assert_not(kv_field_equal(&one, NULL));
	cr_assert_not(kv_field_equal(NULL, &one));
	cr_assert(kv_field_equal(NULL, NULL));
}
