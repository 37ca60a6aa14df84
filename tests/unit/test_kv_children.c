// SPDX-License-Identifier: Apache-2.0
/* Folders with the state of their secrets: what is read from the pages of a detailed listing. */

#include "unit_support.h"

#include "kv/kv_children.h"
#include "kv/kv_list.h"

TestSuite(kv_children, .fini = support_fini, .timeout = 120);

#define BOTH (KV_ENTRY_SECRET | KV_ENTRY_FOLDER)
#define ROW(deleted, destroyed)                                                                    \
	"{\"created_time\":\"2024-02-29T12:34:56.5Z\",\"deletion_time\":\"" deleted                \
	"\",\"destroyed\":" destroyed "}"

static int add(struct kv_children *c, const char *keys, const char *info)
{
	_cleanup_json_ cJSON *k = support_parse(keys), *i = support_parse(info);

	return kv_children_add(c, k, i);
}

static const struct kv_child *child_of(const struct kv_children *c, const char *name)
{
	const struct kv_child *child = kv_children_find(c, name);

	cr_assert_not_null(child, "%s", name);
	return child;
}

Test(kv_children, the_latest_version_of_each_secret_is_told, .init = support_init)
{
	_cleanup_object_ struct kv_children *c = kv_children_new();

	cr_assert_eq(
		add(c, "[\"live\",\"dead\",\"later\",\"gone\",\"bare\"]",
		    "{\"live\":{\"current_version\":3,\"versions\":{\"2\":" ROW(
			    "2024-03-01T00:00:00Z",
			    "true") ",\"3\":" ROW("",
						  "false") "}},"
							   "\"dead\":{\"current_version\":1,"
							   "\"versions\":{\"1\":" ROW(
								   "2024-03-01T00:00:00Z",
								   "false") "}},"
									    "\"later\":{\"current_"
									    "version\":1,"
									    "\"versions\":{"
									    "\"1\":" ROW(
										    "2199-03-01T00:"
										    "00:00Z",
										    "false") "}},"
											     "\"gon"
											     "e\":{"
											     "\"cur"
											     "rent_"
											     "versi"
											     "on\":"
											     "9,"
											     "\"ver"
											     "sions"
											     "\":{"
											     "\"9\""
											     ":" ROW("",
												     "true") "}},"
													     "\"bare\":{\"current_version\":0,\"versions\":{}}}"),
		0);
	kv_children_sort(c);
	cr_assert_eq(c->count, 5);
	cr_assert_eq(child_of(c, "live")->state, KV_LIVE);
	cr_assert_eq(child_of(c, "live")->number, 3);
	cr_assert_eq(child_of(c, "live")->created, 1709210096500000000);
	cr_assert_eq(child_of(c, "live")->deletion, 0);
	cr_assert_eq(child_of(c, "dead")->state, KV_DELETED);
	cr_assert_eq(child_of(c, "dead")->deletion, 1709251200000000000);
	cr_assert_eq(child_of(c, "later")->state, KV_LIVE, "a time to come is no deletion");
	cr_assert_gt(child_of(c, "later")->deletion, 0);
	cr_assert_eq(child_of(c, "gone")->state, KV_DESTROYED);
	cr_assert_eq(child_of(c, "gone")->number, 9);
	cr_assert_eq(child_of(c, "bare")->state, KV_ABSENT);
	cr_assert_eq(child_of(c, "bare")->number, 0);
}

Test(kv_children, twins_are_one_child_of_both_kinds, .init = support_init)
{
	static const char row[] = "{\"a\":{\"current_version\":7,\"versions\":{\"7\":" ROW(
		"", "false") "}},\"a/\":{\"current_version\":8},\"b/\":{}}";
	_cleanup_object_ struct kv_children *c = kv_children_new();

	/* The page ends between the two. */
	cr_assert_eq(add(c, "[\"Z/\",\"a\"]", row), 0);
	cr_assert_eq(add(c, "[\"a/\",\"b/\"]", row), 0);
	kv_children_sort(c);
	cr_assert_eq(c->count, 3);
	cr_assert_eq(child_of(c, "a")->kinds, BOTH);
	cr_assert_eq(child_of(c, "a")->number, 7);
	cr_assert_eq(child_of(c, "b")->kinds, KV_ENTRY_FOLDER);
	cr_assert_eq(child_of(c, "b")->number, 0);
	cr_assert_str_eq(c->children[0].name, "Z");
	cr_assert_null(kv_children_find(c, "a/"));
	cr_assert_null(kv_children_find(c, "c"));
}

Test(kv_children, nothing_has_no_children, .init = support_init)
{
	_cleanup_object_ struct kv_children *c = kv_children_new();

	cr_assert_eq(add(c, "[]", "{}"), 0);
	kv_children_sort(c);
	cr_assert_eq(c->count, 0);
	cr_assert_null(kv_children_find(c, "a"));
}

Test(kv_children, names_that_no_path_can_have_are_left_out, .init = support_init)
{
	_cleanup_object_ struct kv_children *c = kv_children_new();

	cr_assert_eq(add(c, "[\"..\",\"./\",\"/\",\"\",\"a/b\",\"a\\u0000b\"]", "{}"), 0);
	cr_assert_eq(c->count, 0);
}

Test(kv_children, what_is_no_detailed_list_is_refused, .init = support_init)
{
	static const char *const bad[][2] = {
		{"{}", "{}"},
		{"[1]", "{}"},
		{"[\"a\"]", "[]"},
		{"[\"a\"]", "{}"},
		{"[\"a\"]", "{\"a\":{\"current_version\":\"x\"}}"},
		{"[\"a\"]", "{\"a\":{\"current_version\":-4}}"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_object_ struct kv_children *c = kv_children_new();

		cr_assert_eq(add(c, bad[i][0], bad[i][1]), -EIO, "%zu", i);
	}
}
