// SPDX-License-Identifier: Apache-2.0
/* Marks of binary values: a string is taken for base64 only where its field is marked and it is the
 * canonical base64 of what is no text; whatever is written, JSON holds again what the mark says. */

#include "unit_support.h"

#include "base/secmem.h"
#include "kv/kv_version.h"

#include <stdio.h>

TestSuite(kv_mark, .fini = support_fini, .timeout = 120);

/* printf %s NAME | sha256sum | cut -c1-32 */
#define MARK_PASSWORD "5e884898da28047151d0e56f8dc62927"
#define MARK_A_NUL_B  "59b271ae1bbcb1d31d41929817f4b16f"
#define MARK_NOTHING  "e3b0c44298fc1c149afbf4c8996fb924"

#define MARK(hash)     "\"" KV_MARK_PREFIX hash "\":\"\""
#define MARKS(members) "{\"version\":7,\"custom_metadata\":{" members "}}"

static struct kv_version *version_of(const char *data, const char *metadata)
{
	_cleanup_json_ cJSON *d = support_parse(data), *m = support_parse(metadata);
	struct kv_version *v = NULL;

	cr_assert_eq(kv_version_parse(d, m, &v), 0, "%s", data);
	return v;
}

static void assert_is(const struct kv_version *v, const char *name, size_t name_len, bool binary,
		      const char *text, size_t len)
{
	const struct kv_field *f = kv_version_field(v, name, name_len);

	cr_assert_not_null(f, "%s", name);
	cr_assert_eq(f->type, KV_STRING);
	cr_assert_eq(f->binary, binary, "%s", name);
	cr_assert_eq(f->len, len, "%zu bytes", f->len);
	cr_assert_eq(memcmp(f->text, text, len), 0);
	cr_assert_eq(f->text[len], '\0');
}

static void assert_json(const struct kv_version *v, const char *expected)
{
	_cleanup_json_ cJSON *json = kv_version_json(v);
	_cleanup_free_ char *text = support_print(json);

	cr_assert_str_eq(text, expected);
}

static void assert_marks(const struct kv_version *v, size_t n, const char *const *hashes)
{
	cr_assert_eq(v->mark_count, n, "%zu marks", v->mark_count);
	for (size_t i = 0; i < n; i++)
		cr_assert_str_eq(v->marks[i].hash, hashes[i]);
}

Test(kv_mark, of_a_name_it_is_the_same_for_ever)
{
	struct kv_mark m = kv_mark_of("password", 8);

	cr_assert_str_eq(m.hash, MARK_PASSWORD);
	m = kv_mark_of("a\0b", 3);
	cr_assert_str_eq(m.hash, MARK_A_NUL_B);
	m = kv_mark_of("", 0);
	cr_assert_str_eq(m.hash, MARK_NOTHING);
	cr_assert_str_eq(KV_MARK_PREFIX, "vaultfs.b64.");
}

Test(kv_mark, only_what_is_marked_is_decoded, .init = support_init)
{
	_cleanup_object_ struct kv_version *v = version_of(
		"{\"password\":\"/wD+\",\"other\":\"/wD+\"}", MARKS(MARK(MARK_PASSWORD)));

	assert_is(v, "password", 8, true, "\xff\0\xfe", 3);
	assert_is(v, "other", 5, false, "/wD+", 4);
	cr_assert(kv_version_marked(v, "password", 8));
	cr_assert_not(kv_version_marked(v, "other", 5));
	cr_assert_not(kv_version_marked(v, "password\0", 9));
	assert_json(v, "{\"other\":\"/wD+\",\"password\":\"/wD+\"}");
}

Test(kv_mark, names_may_be_any_bytes, .init = support_init)
{
	_cleanup_object_ struct kv_version *v =
		version_of("{\"a\\u0000b\":\"/w==\",\"\":\"gA==\",\"a\":\"/w==\"}",
			   MARKS(MARK(MARK_A_NUL_B) "," MARK(MARK_NOTHING)));

	assert_is(v, "a\0b", 3, true, "\xff", 1);
	assert_is(v, "", 0, true, "\x80", 1);
	assert_is(v, "a", 1, false, "/w==", 4);
	assert_json(v, "{\"\":\"gA==\",\"a\":\"/w==\",\"a\\u0000b\":\"/w==\"}");
}

/* Other programs write there too, and know nothing of marks. */
Test(kv_mark, what_is_no_canonical_base64_stays_as_it_is, .init = support_init)
{
	static const char *const values[] = {
		"",	 "secret",  "/w=",   "/w",	 "/x==",    "_w==",	   "/w== ",
		" /w==", "/w==\\n", "/wD+/", "AA==AA==", "\\u0000", "/w==\\u0000",
	};

	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		_cleanup_free_ char *data = NULL;
		_cleanup_object_ struct kv_version *v = NULL;

		cr_assert_gt(asprintf(&data, "{\"password\":\"%s\"}", values[i]), 0);
		v = version_of(data, MARKS(MARK(MARK_PASSWORD)));
		cr_assert_not(v->fields[0].binary, "%s", data);
		assert_json(v, data);
	}
}

/* It would not have been written so. */
Test(kv_mark, base64_of_text_stays_as_it_is, .init = support_init)
{
	_cleanup_object_ struct kv_version *v =
		version_of("{\"password\":\"aGVsbG8=\"}", MARKS(MARK(MARK_PASSWORD)));
	_cleanup_object_ struct kv_version *word =
		version_of("{\"password\":\"password\"}", MARKS(MARK(MARK_PASSWORD)));

	assert_is(v, "password", 8, false, "aGVsbG8=", 8);
	/* Eight letters are base64 of something: writing them as text removes the mark. */
	cr_assert(kv_version_field(word, "password", 8)->binary);
	assert_json(word, "{\"password\":\"password\"}");
}

Test(kv_mark, base64_of_nul_is_decoded_since_nul_is_no_text, .init = support_init)
{
	_cleanup_object_ struct kv_version *v =
		version_of("{\"password\":\"YQBi\"}", MARKS(MARK(MARK_PASSWORD)));

	assert_is(v, "password", 8, true, "a\0b", 3);
	assert_json(v, "{\"password\":\"YQBi\"}");
}

Test(kv_mark, only_strings_are_decoded, .init = support_init)
{
	static const char *const data[] = {"{\"password\":1234}", "{\"password\":true}",
					   "{\"password\":null}", "{\"password\":[\"/w==\"]}",
					   "{\"password\":{\"password\":\"/w==\"}}"};

	for (size_t i = 0; i < ARRAY_SIZE(data); i++) {
		_cleanup_object_ struct kv_version *v =
			version_of(data[i], MARKS(MARK(MARK_PASSWORD)));

		cr_assert_not(v->fields[0].binary, "%s", data[i]);
		assert_json(v, data[i]);
	}
}

Test(kv_mark, marks_are_in_order_and_what_is_none_is_left_out, .init = support_init)
{
	static const char *const hashes[] = {MARK_A_NUL_B, MARK_PASSWORD, MARK_NOTHING};
	_cleanup_object_ struct kv_version *v = version_of(
		"{}", MARKS(MARK(MARK_NOTHING) ",\"owner\":\"me\"," MARK(MARK_PASSWORD) "," MARK(
			      "5e88") "," MARK(MARK_PASSWORD "0") ","
								  "\"\":\"\"," MARK(MARK_A_NUL_B)));

	assert_marks(v, 3, hashes);
}

Test(kv_mark, custom_metadata_may_be_none_or_anything, .init = support_init)
{
	static const char *const metadata[] = {
		"{\"version\":7}",
		"{\"version\":7,\"custom_metadata\":null}",
		"{\"version\":7,\"custom_metadata\":{}}",
		"{\"version\":7,\"custom_metadata\":[]}",
		"{\"version\":7,\"custom_metadata\":[\"" KV_MARK_PREFIX MARK_PASSWORD "\"]}",
		"{\"version\":7,\"custom_metadata\":\"x\"}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(metadata); i++) {
		_cleanup_object_ struct kv_version *v =
			version_of("{\"password\":\"/w==\"}", metadata[i]);

		cr_assert_eq(v->mark_count, 0, "%s", metadata[i]);
		assert_is(v, "password", 8, false, "/w==", 4);
	}
}

Test(kv_mark, a_marked_version_is_one_block, .init = support_init)
{
	size_t before = secmem_used();
	struct kv_version *v = version_of("{\"password\":\"/wD+\"}", MARKS(MARK(MARK_PASSWORD)));

	cr_assert_eq(secmem_used() - before, v->object.size);
	object_put(v);
	cr_assert_eq(secmem_used(), before);
}

static bool misleads(const char *text)
{
	return kv_mark_misleads(text, strlen(text));
}

Test(kv_mark, text_misleads_where_it_would_be_decoded, .init = support_init)
{
	size_t before = secmem_used();

	cr_assert(misleads("/w=="));
	cr_assert(misleads("AA=="));
	cr_assert(misleads("YQBi"));
	cr_assert(misleads("password"));
	cr_assert_not(misleads(""));
	cr_assert_not(misleads("hello"));
	cr_assert_not(misleads("aGVsbG8="));
	cr_assert_not(misleads("/w==\n"));
	cr_assert_not(misleads("/w"));
	cr_assert_not(misleads("/x=="));
	cr_assert_eq(secmem_used(), before);
}

Test(kv_mark, text_is_utf8_without_nul)
{
	cr_assert(kv_is_text("", 0));
	cr_assert(kv_is_text("a\n\x01\x7f\xc3\xa9", 6));
	cr_assert_not(kv_is_text("\0", 1));
	cr_assert_not(kv_is_text("a\0", 2));
	cr_assert_not(kv_is_text("\xff", 1));
	cr_assert_not(kv_is_text("\xc3\xa9", 1));
}

#define PASSWORD .name = "password", .name_len = 8

Test(kv_mark, a_binary_change_sets_the_mark, .init = support_init)
{
	static const char *const hashes[] = {MARK_PASSWORD};
	const struct kv_change change = {PASSWORD, .binary = true, .text = "\xff\0\xfe", .len = 3};
	_cleanup_object_ struct kv_version *base =
		version_of("{\"a\":\"/w==\"}", "{\"version\":7}");
	_cleanup_object_ struct kv_version *v = kv_version_apply(base, &change, 1, false);

	assert_marks(v, 1, hashes);
	assert_is(v, "password", 8, true, "\xff\0\xfe", 3);
	assert_is(v, "a", 1, false, "/w==", 4);
	assert_json(v, "{\"a\":\"/w==\",\"password\":\"/wD+\"}");
	cr_assert_eq(base->mark_count, 0);
}

Test(kv_mark, a_mark_that_is_there_is_not_set_again, .init = support_init)
{
	static const char *const hashes[] = {MARK_PASSWORD};
	const struct kv_change change = {PASSWORD, .binary = true, .text = "\xfe", .len = 1};
	_cleanup_object_ struct kv_version *base =
		version_of("{\"password\":\"/w==\"}", MARKS(MARK(MARK_PASSWORD)));
	_cleanup_object_ struct kv_version *v = kv_version_apply(base, &change, 1, false);

	assert_marks(v, 1, hashes);
	assert_is(v, "password", 8, true, "\xfe", 1);
	assert_json(v, "{\"password\":\"/g==\"}");
}

/* A mark that misleads nobody may stay: taking it away is a request of its own. */
Test(kv_mark, text_in_place_of_bytes_leaves_the_mark, .init = support_init)
{
	static const char *const hashes[] = {MARK_PASSWORD};
	const struct kv_change change = {PASSWORD, .text = "hello", .len = 5};
	_cleanup_object_ struct kv_version *base =
		version_of("{\"password\":\"/w==\"}", MARKS(MARK(MARK_PASSWORD)));
	_cleanup_object_ struct kv_version *v = kv_version_apply(base, &change, 1, false);

	assert_marks(v, 1, hashes);
	assert_is(v, "password", 8, false, "hello", 5);
}

Test(kv_mark, text_that_misleads_takes_the_mark_away, .init = support_init)
{
	static const char *const hashes[] = {MARK_NOTHING};
	const struct kv_change change = {PASSWORD, .text = "/w==", .len = 4};
	_cleanup_object_ struct kv_version *base =
		version_of("{\"password\":\"/wD+\",\"\":\"/w==\"}",
			   MARKS(MARK(MARK_PASSWORD) "," MARK(MARK_NOTHING)));
	_cleanup_object_ struct kv_version *v = kv_version_apply(base, &change, 1, false);

	assert_marks(v, 1, hashes);
	assert_is(v, "password", 8, false, "/w==", 4);
	assert_is(v, "", 0, true, "\xff", 1);
	assert_json(v, "{\"\":\"/w==\",\"password\":\"/w==\"}");
	cr_assert_eq(base->mark_count, 2);
}

/* A document like data.json shows base64 as it is stored: the old string means the old bytes, and
 * any other string is text. */
Test(kv_mark, a_document_holds_bytes_as_they_are_stored, .init = support_init)
{
	static const char *const hashes[] = {MARK_A_NUL_B};
	_cleanup_object_ struct kv_version *base =
		version_of("{\"password\":\"/w==\",\"a\\u0000b\":\"gA==\"}",
			   MARKS(MARK(MARK_PASSWORD) "," MARK(MARK_A_NUL_B)));
	_cleanup_object_ struct kv_version *doc = version_of(
		"{\"password\":\"/g==\",\"a\\u0000b\":\"gA==\",\"c\":\"/w==\"}", "{\"version\":0}");
	_cleanup_free_ struct kv_change *changes = kv_version_changes(doc, base);
	_cleanup_object_ struct kv_version *v = kv_version_apply(base, changes, 3, true);

	cr_assert_eq(v->count, 3);
	assert_is(v, "password", 8, false, "/g==", 4);
	assert_is(v, "a\0b", 3, true, "\x80", 1);
	assert_is(v, "c", 1, false, "/w==", 4);
	assert_marks(v, 1, hashes);
}

Test(kv_mark, marks_outlive_their_fields, .init = support_init)
{
	static const char *const hashes[] = {MARK_PASSWORD};
	const struct kv_change remove = {PASSWORD, .remove = true};
	const struct kv_change again = {PASSWORD, .text = "/w==", .len = 4};
	_cleanup_object_ struct kv_version *base =
		version_of("{\"password\":\"/w==\"}", MARKS(MARK(MARK_PASSWORD)));
	_cleanup_object_ struct kv_version *removed = kv_version_apply(base, &remove, 1, false);
	_cleanup_object_ struct kv_version *whole = kv_version_apply(base, NULL, 0, true);
	_cleanup_object_ struct kv_version *v = kv_version_apply(removed, &again, 1, false);

	cr_assert_eq(removed->count, 0);
	assert_marks(removed, 1, hashes);
	assert_marks(whole, 1, hashes);
	assert_marks(v, 0, NULL);
	assert_is(v, "password", 8, false, "/w==", 4);
}

Test(kv_mark, what_is_kept_stays_binary, .init = support_init)
{
	const struct kv_change change = {.name = "a", .name_len = 1, .text = "x", .len = 1};
	struct kv_version *base = version_of("{\"password\":\"/wD+\"}", MARKS(MARK(MARK_PASSWORD)));
	_cleanup_object_ struct kv_version *v = kv_version_apply(base, &change, 1, false);

	object_put(base);
	assert_is(v, "password", 8, true, "\xff\0\xfe", 3);
	assert_json(v, "{\"a\":\"x\",\"password\":\"/wD+\"}");
}

Test(kv_mark, any_bytes_come_back_from_the_json, .init = support_init)
{
	char bytes[200];
	const struct kv_change change = {PASSWORD, .binary = true, .text = bytes,
					 .len = sizeof(bytes)};
	_cleanup_object_ struct kv_version *base = kv_version_empty(KV_ABSENT, 0);
	_cleanup_object_ struct kv_version *v = NULL;
	_cleanup_json_ cJSON *json = NULL;
	_cleanup_free_ char *text = NULL;
	_cleanup_object_ struct kv_version *again = NULL;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(255 - i);
	v = kv_version_apply(base, &change, 1, false);
	json = kv_version_json(v);
	text = support_print(json);
	again = version_of(text, MARKS(MARK(MARK_PASSWORD)));
	assert_is(again, "password", 8, true, bytes, sizeof(bytes));
	cr_assert(kv_field_equal(&again->fields[0], &v->fields[0]));
}
