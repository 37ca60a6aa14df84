// SPDX-License-Identifier: Apache-2.0
/* Listings: the rows of a LIST as entries in bytewise order, where `a` and `a/` are one of both kinds
 * and names that no path can have are left out; and how one entry is put in or taken out. */

#include "unit_support.h"

#include "base/secmem.h"
#include "kv/kv_list.h"

#include <stdio.h>

TestSuite(kv_list, .fini = support_fini, .timeout = 120);

#define BOTH (KV_ENTRY_SECRET | KV_ENTRY_FOLDER)

/* The array as an answer has it when it is read for its outer values alone. */
static cJSON *text_of(const char *keys)
{
	cJSON *json = NULL;

	cr_assert_eq(json_parse_shallow(keys, strlen(keys), 0, &json, NULL), 0, "%s", keys);
	return json;
}

static void assert_same(const struct kv_list *a, const struct kv_list *b, const char *keys)
{
	cr_assert_eq(a->count, b->count, "%s", keys);
	for (size_t i = 0; i < a->count; i++) {
		cr_assert_str_eq(a->entries[i].name, b->entries[i].name, "%s", keys);
		cr_assert_eq(a->entries[i].kinds, b->entries[i].kinds, "%s", keys);
	}
}

static struct kv_list *list_of(const char *keys)
{
	_cleanup_json_ cJSON *json = keys ? support_parse(keys) : NULL;
	_cleanup_json_ cJSON *text = keys ? text_of(keys) : NULL;
	struct kv_list *list = NULL, *again = NULL;

	cr_assert_eq(kv_list_parse(json, &list), 0, "%s", keys);
	cr_assert_eq(kv_list_parse(text, &again), 0, "%s", keys);
	assert_same(list, again, keys);
	object_put(again);
	return list;
}

/* Prints a list like "a b/ c=": a secret, a folder, both. */
static void assert_list(const struct kv_list *list, const char *expected)
{
	char text[256] = "";

	for (size_t i = 0; i < list->count; i++) {
		if (i)
			strcat(text, " ");
		strcat(text, list->entries[i].name);
		if (list->entries[i].kinds != KV_ENTRY_SECRET)
			strcat(text, list->entries[i].kinds == BOTH ? "=" : "/");
	}
	cr_assert_str_eq(text, expected);
}

Test(kv_list, rows_become_entries_in_bytewise_order, .init = support_init)
{
	_cleanup_object_ struct kv_list *list =
		list_of("[\"b\",\"a/\",\"é\",\"B\",\"ab\",\"a b\"]");

	assert_list(list, "B a/ a b ab b é");
}

Test(kv_list, twins_are_one_entry_of_both_kinds, .init = support_init)
{
	_cleanup_object_ struct kv_list *list =
		list_of("[\"a\",\"a-b\",\"a/\",\"c/\",\"d\",\"c\",\"e\",\"e\"]");

	assert_list(list, "a= a-b c= d e");
	cr_assert_eq(kv_list_find(list, "a"), BOTH);
	cr_assert_eq(kv_list_find(list, "a-b"), KV_ENTRY_SECRET);
}

Test(kv_list, nothing_is_an_empty_list, .init = support_init)
{
	_cleanup_object_ struct kv_list *none = list_of(NULL), *empty = list_of("[]");

	cr_assert_eq(none->count, 0);
	cr_assert_eq(empty->count, 0);
	cr_assert_eq(kv_list_find(none, "a"), 0);
}

Test(kv_list, names_that_no_path_can_have_are_left_out, .init = support_init)
{
	_cleanup_object_ struct kv_list *list = list_of(
		"[\"\",\"/\",\".\",\"./\",\"..\",\"../\",\"a/b\",\"c//\",\"/d\",\"n\\u0000\","
		"\"good\",\"...\",\".x\",\".vault\",\"%2F/\"]");

	assert_list(list, "%2F/ ... .vault .x good");
}

Test(kv_list, names_are_read_whatever_is_escaped_in_them, .init = support_init)
{
	_cleanup_object_ struct kv_list *list = list_of(
		"[ \"a\\\"b\\\\/\" , \"\\u00e9\\/\", \"\\\\\", \"c\\u0001\", \"n\\u0000/\"]");

	assert_list(list, "\\ a\"b\\/ \u00e9/");
}

Test(kv_list, a_folder_has_any_number_of_short_names, .init = support_init)
{
	_cleanup_buf_ struct buf text = {0};
	_cleanup_json_ cJSON *keys = NULL;
	_cleanup_object_ struct kv_list *list = NULL;
	size_t used = secmem_used();

	buf_add_str(&text, "{\"data\":{\"keys\":[\"0\"");
	for (unsigned i = 1; i < 100000; i++)
		buf_printf(&text, ",\"%x\"", i);
	buf_add_str(&text, "]}}");
	cr_assert_eq(json_parse_shallow(text.data, text.len, 2, &keys, NULL), 0);
	cr_assert_eq(kv_list_parse(json_get(json_get(keys, "data"), "keys"), &list), 0);
	cr_assert_eq(list->count, 100000);
	cr_assert_eq(kv_list_find(list, "1869f"), KV_ENTRY_SECRET);
	cr_assert_lt(secmem_used() - used, 4 * text.len, "a tree was made of the names");
}

Test(kv_list, what_is_no_list_is_refused, .init = support_init)
{
	static const char *const bad[] = {"{}",	 "\"a\"",	 "1",	     "null",
					  "[1]", "[\"a\",null]", "[[\"a\"]]"};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_json_ cJSON *json = support_parse(bad[i]), *text = text_of(bad[i]);
		struct kv_list *list = NULL;

		cr_assert_eq(kv_list_parse(json, &list), -EIO, "%s", bad[i]);
		cr_assert_eq(kv_list_parse(text, &list), -EIO, "%s", bad[i]);
		cr_assert_null(list);
	}
}

Test(kv_list, entries_are_found_by_exact_name, .init = support_init)
{
	_cleanup_object_ struct kv_list *list = list_of("[\"ab\",\"b/\",\"abc\"]");

	cr_assert_eq(kv_list_find(list, "ab"), KV_ENTRY_SECRET);
	cr_assert_eq(kv_list_find(list, "abc"), KV_ENTRY_SECRET);
	cr_assert_eq(kv_list_find(list, "b"), KV_ENTRY_FOLDER);
	cr_assert_eq(kv_list_find(list, "a"), 0);
	cr_assert_eq(kv_list_find(list, "b/"), 0);
	cr_assert_eq(kv_list_find(list, "B"), 0);
}

static void assert_with(const struct kv_list *list, const char *name, unsigned kinds,
			const char *expected)
{
	_cleanup_object_ struct kv_list *with = kv_list_with(list, name, kinds);

	assert_list(with, expected);
}

Test(kv_list, with_adds_replaces_and_removes, .init = support_init)
{
	struct kv_list *list = list_of("[\"b\",\"d/\"]");

	assert_with(list, "a", KV_ENTRY_SECRET, "a b d/");
	assert_with(list, "c", KV_ENTRY_FOLDER, "b c/ d/");
	assert_with(list, "e", BOTH, "b d/ e=");
	assert_with(list, "b", BOTH, "b= d/");
	assert_with(list, "b", 0, "d/");
	assert_with(list, "x", 0, "b d/");
	assert_list(list, "b d/");
	object_put(list);
}

Test(kv_list, with_borrows_nothing, .init = support_init)
{
	struct kv_list *list = list_of("[\"stays\"]"), *with;
	char name[] = "new";

	with = kv_list_with(list, name, KV_ENTRY_SECRET);
	object_put(list);
	memset(name, 'x', 3);
	assert_list(with, "new stays");
	object_put(with);
}

Test(kv_list, a_long_list_is_whole, .init = support_init)
{
	_cleanup_json_ cJSON *keys = cJSON_CreateArray();
	_cleanup_object_ struct kv_list *list = NULL;
	char name[16];

	for (int i = 4999; i >= 0; i--) {
		snprintf(name, sizeof(name), i % 2 ? "k%04d/" : "k%04d", i);
		cJSON_AddItemToArray(keys, json_new_string(name, strlen(name)));
	}
	cr_assert_eq(kv_list_parse(keys, &list), 0);
	cr_assert_eq(list->count, 5000);
	cr_assert_gt(list->object.size, 5000 * 6);
	cr_assert_eq(kv_list_find(list, "k0000"), KV_ENTRY_SECRET);
	cr_assert_eq(kv_list_find(list, "k4999"), KV_ENTRY_FOLDER);
}
