// SPDX-License-Identifier: Apache-2.0
/* From the bytes of a file to a field's value: it keeps the type that the field has had where the
 * bytes parse as that, one newline at the end aside; otherwise it is a string, byte for byte, in base64
 * where the bytes are no text; and nothing is longer than the server would take. */

#include "unit_support.h"

#include "edit/value.h"

#include <stdio.h>

TestSuite(value, .fini = support_fini, .timeout = 120);

static const char number[] = "1", yes[] = "true", no[] = "false", null[] = "null", object[] = "{}",
		  array[] = "[]", string[] = "\"\"";

#define MAX_SIZE 100

static struct tree_config config(void)
{
	return (struct tree_config){.max_size = MAX_SIZE};
}

/* printf k | sha256sum | cut -c1-32 */
#define MARK_K "8254c329a92850f6d539dd376f4816ee"

/* With a field "k" of that value, if any; and the mark of it. */
static struct kv_version *version_with(const char *k, bool marked)
{
	_cleanup_free_ char *data = NULL;
	_cleanup_json_ cJSON *d = NULL, *m = NULL;
	struct kv_version *v = NULL;

	cr_assert_gt(asprintf(&data, k ? "{\"k\":%s}" : "{}", k), 0);
	d = support_parse(data);
	m = support_parse(marked ? "{\"version\":1,\"custom_metadata\":{\"" KV_MARK_PREFIX MARK_K
				   "\":\"\"}}"
				 : "{\"version\":1}");
	cr_assert_eq(kv_version_parse(d, m, &v), 0);
	return v;
}

static struct kv_change change_k(void)
{
	/* The function must fill everything, whatever was there. */
	return (struct kv_change){
		.name = "k", .name_len = 1, .type = KV_ARRAY, .binary = true, .stored = true};
}

static int convert(const struct tree_config *c, const char *old, struct buf *b,
		   struct kv_change *change, struct err *err)
{
	_cleanup_object_ struct kv_version *base = version_with(old, false);

	*change = change_k();
	return value_from_bytes(c, b, base, 0, change, err);
}

static void assert_bytes_become(const char *bytes, size_t n, const char *old, enum kv_type type,
				bool binary, const char *text, size_t len)
{
	const struct tree_config c = config();
	_cleanup_buf_ struct buf b = {0};
	struct kv_change change;
	struct err err = {0};

	buf_add(&b, bytes, n);
	cr_assert_eq(convert(&c, old, &b, &change, &err), 0, "%s: %s", bytes, err_text(&err));
	cr_assert_eq(change.type, type, "%s became %d", bytes, change.type);
	cr_assert_eq(change.binary, binary, "%s", bytes);
	cr_assert_not(change.stored);
	cr_assert_eq(change.len, len, "%s", bytes);
	cr_assert_eq(memcmp(change.text, text, len), 0, "%s became %s", bytes, change.text);
	cr_assert_str_eq(change.name, "k");
}

static void assert_becomes(const char *bytes, const char *old, enum kv_type type, const char *text)
{
	assert_bytes_become(bytes, strlen(bytes), old, type, false, text, strlen(text));
}

static void assert_stays_text(const char *bytes, const char *old)
{
	assert_becomes(bytes, old, KV_STRING, bytes);
}

Test(value, a_new_field_is_a_string_byte_for_byte, .init = support_init)
{
	static const char *const texts[] = {"hello", "1",  "true",  "null",	"{}",
					    "x\n",   "\n", "a\n\n", "\t é\r\n", "\x01\x1f\x7f"};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		assert_stays_text(texts[i], NULL);
		assert_stays_text(texts[i], string);
	}
}

Test(value, nothing_is_an_empty_string, .init = support_init)
{
	const struct tree_config c = config();
	struct buf none = {0};
	struct kv_change change;

	assert_stays_text("", NULL);
	assert_stays_text("", string);
	assert_stays_text("", number);
	cr_assert_eq(convert(&c, null, &none, &change, NULL), 0);
	cr_assert_str_eq(change.text, "");
	cr_assert_eq(change.len, 0);
}

Test(value, a_number_stays_one_with_its_digits, .init = support_init)
{
	assert_becomes("5", number, KV_NUMBER, "5");
	assert_becomes("5\n", number, KV_NUMBER, "5");
	assert_becomes("1.0\n", number, KV_NUMBER, "1.0");
	assert_becomes("12345678901234567890", number, KV_NUMBER, "12345678901234567890");
	assert_becomes("-1e400", number, KV_NUMBER, "-1e400");
}

Test(value, what_is_no_number_becomes_a_string, .init = support_init)
{
	static const char *const texts[] = {"five",   "05",   "5.",  "+5", "0x5", "5 5", "\"5\"\n",
					    "true\n", "null", "[5]", "\n", "NaN", "5\n5"};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_stays_text(texts[i], number);
}

Test(value, a_boolean_may_change_to_the_other, .init = support_init)
{
	assert_becomes("true", yes, KV_TRUE, "true");
	assert_becomes("false\n", yes, KV_FALSE, "false");
	assert_becomes("true\n", no, KV_TRUE, "true");
	assert_becomes("false", no, KV_FALSE, "false");
	assert_stays_text("True\n", yes);
	assert_stays_text("1", yes);
	assert_stays_text("yes", no);
	assert_stays_text("null", no);
}

Test(value, null_stays_null, .init = support_init)
{
	assert_becomes("null\n", null, KV_NULL, "null");
	assert_stays_text("", null);
	assert_stays_text("nil", null);
	assert_stays_text("0", null);
}

Test(value, objects_and_arrays_stay_what_they_are_and_become_compact, .init = support_init)
{
	assert_becomes("{ \"b\" : 1.0,\n \"a\" : [ ] }\n", object, KV_OBJECT,
		       "{\"b\":1.0,\"a\":[]}");
	assert_becomes("[ 1, {\"x\": null} ]\n", array, KV_ARRAY, "[1,{\"x\":null}]");
	assert_becomes("{\"k\":\"\\u0000\\u0001x\"}", object, KV_OBJECT,
		       "{\"k\":\"\\u0000\\u0001x\"}");
	assert_stays_text("[]", object);
	assert_stays_text("{}\n", array);
	assert_stays_text("{\"a\":}", object);
	assert_stays_text("{\"a\":1", object);
}

/* The NUL that ends each is not of it. */
static const struct {
	const char *bytes;
	size_t len;
} binaries[] = {
	{"\xff", 1}, {"a\xc3", 2}, {"\xed\xa0\x80", 3}, {"\xc0\x80", 2},
	{"\0", 1},   {"a\0b", 3},  {"5\0\n", 3},	{"ok\xfe\n", 4},
};
static const char *const olds[] = {NULL, string, number, object};

Test(value, bytes_that_are_no_text_become_base64, .init = support_init)
{
	for (size_t i = 0; i < ARRAY_SIZE(binaries); i++)
		for (size_t k = 0; k < ARRAY_SIZE(olds); k++)
			assert_bytes_become(binaries[i].bytes, binaries[i].len, olds[k], KV_STRING,
					    true, binaries[i].bytes, binaries[i].len);
}

Test(value, bytes_that_are_no_text_are_refused_where_that_is_asked_for, .init = support_init)
{
	struct tree_config c = config();

	c.binary_reject = true;
	for (size_t i = 0; i < ARRAY_SIZE(binaries); i++) {
		for (size_t k = 0; k < ARRAY_SIZE(olds); k++) {
			_cleanup_buf_ struct buf b = {0};
			struct kv_change change;
			struct err err = {0};

			buf_add(&b, binaries[i].bytes, binaries[i].len);
			cr_assert_eq(convert(&c, olds[k], &b, &change, &err), -EILSEQ);
			cr_assert_eq(err.code, EILSEQ);
			cr_assert_not_null(strstr(err_text(&err), "binary=reject"));
		}
	}
}

Test(value, the_sentence_does_not_hold_the_value, .init = support_init)
{
	struct tree_config c = config();
	_cleanup_buf_ struct buf b = {0};
	struct kv_change change;
	struct err err = {0};

	c.binary_reject = true;
	buf_add_str(&b, "s3cret\xff");
	cr_assert_eq(convert(&c, NULL, &b, &change, &err), -EILSEQ);
	cr_assert_null(strstr(err_text(&err), "s3cret"));
	c.max_size = 5;
	cr_assert_eq(convert(&c, NULL, &b, &change, &err), -EFBIG);
	cr_assert_null(strstr(err_text(&err), "s3cret"));
	cr_assert_eq(value_as_type(KV_NUMBER, &b, &change, &err), -EINVAL);
	cr_assert_null(strstr(err_text(&err), "s3cret"));
}

static void assert_stripped(const char *bytes, const char *old, const char *text)
{
	struct tree_config c = config();
	_cleanup_buf_ struct buf b = {0};
	struct kv_change change;

	c.newline_strip = true;
	buf_add_str(&b, bytes);
	cr_assert_eq(convert(&c, old, &b, &change, NULL), 0);
	cr_assert_eq(change.type, KV_STRING);
	cr_assert_str_eq(change.text, text);
	cr_assert_eq(change.len, strlen(text));
}

Test(value, the_newline_of_one_line_is_stripped_where_that_is_asked_for, .init = support_init)
{
	static const char *const stay[] = {"",	    "x",     "a\nb", "a\nb\n", "\n\n",
					   "x\n\n", "\nx\n", "x\r",  "\xff\n"};

	for (size_t k = 0; k < ARRAY_SIZE(olds); k++) {
		assert_stripped("x\n", olds[k], "x");
		assert_stripped("\n", olds[k], "");
		assert_stripped("x \r\n", olds[k], "x \r");
		for (size_t i = 0; i < ARRAY_SIZE(stay); i++)
			assert_stripped(stay[i], olds[k], stay[i]);
	}
}

/* From a store that keeps doubles. */
static void assert_kept(const char *old, const char *bytes, enum kv_type type)
{
	_cleanup_object_ struct kv_version *base = version_with(old, false);
	const struct tree_config c = config();
	_cleanup_buf_ struct buf b = {0};
	struct kv_change change = change_k();

	buf_add_str(&b, bytes);
	cr_assert_eq(value_from_bytes(&c, &b, base, KV_FLOATS, &change, NULL), 0);
	cr_assert_eq(change.type, type, "%s", bytes);
	cr_assert_str_eq(change.text, bytes);
}

Test(value, a_number_that_would_come_back_as_another_is_a_string, .init = support_init)
{
	assert_kept(number, "1.1", KV_NUMBER);
	assert_kept(number, "1.10", KV_STRING);
	assert_kept(number, "1.10\n", KV_STRING);
	assert_kept(number, "12345678901234567890", KV_STRING);
	assert_kept(array, "[1,\"1.10\",{\"a\":2}]", KV_ARRAY);
	assert_kept(array, "[1,{\"a\":[1.10]}]", KV_STRING);
	assert_kept(object, "{\"1.10\":1.5}", KV_OBJECT);
	assert_kept(object, "{\"a\":1e3}", KV_STRING);
}

Test(value, json_leaves_a_mark_alone, .init = support_init)
{
	_cleanup_object_ struct kv_version *base = version_with(number, true);
	const struct tree_config c = config();
	_cleanup_buf_ struct buf b = {0};
	struct kv_change change = change_k();

	buf_add_str(&b, "1234");
	cr_assert_eq(value_from_bytes(&c, &b, base, 0, &change, NULL), 0);
	cr_assert_eq(change.type, KV_NUMBER);
	cr_assert_not(change.stored);
	cr_assert_not(change.binary);
}

/* `n` times `unit` and then `end`. */
static void assert_fits(const char *old, const char *start, const char *unit, size_t n,
			const char *end, bool fits)
{
	const struct tree_config c = config();
	_cleanup_buf_ struct buf b = {0};
	struct kv_change change;
	struct err err = {0};

	buf_add_str(&b, start);
	for (size_t i = 0; i < n; i++)
		buf_add_str(&b, unit);
	buf_add_str(&b, end);
	cr_assert_eq(convert(&c, old, &b, &change, &err), fits ? 0 : -EFBIG, "%zu times %s", n,
		     unit);
	cr_assert_eq(err.code, fits ? 0 : EFBIG);
}

Test(value, a_string_is_bounded_as_it_is_stored, .init = support_init)
{
	static const struct {
		const char *unit;
		size_t n;
	} rows[] = {
		{"x", MAX_SIZE},
		{"\"", MAX_SIZE / 2},
		{"\\", MAX_SIZE / 2},
		{"\n", MAX_SIZE / 2},
		{"\x01", MAX_SIZE / 6},
		{"\xc3\xa9", MAX_SIZE / 2},
		{"\xff\xff\xff", MAX_SIZE / 4},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_fits(NULL, "", rows[i].unit, rows[i].n, "", true);
		assert_fits(NULL, "", rows[i].unit, rows[i].n + 1, "", false);
		assert_fits(number, "", rows[i].unit, rows[i].n + 1, "", false);
	}
}

/* A field that was a scratch file may be longer. */
Test(value, json_is_bounded_as_it_is_stored, .init = support_init)
{
	assert_fits(number, "1", "0", MAX_SIZE - 1, "", true);
	assert_fits(number, "1", "0", MAX_SIZE - 1, "\n", true);
	assert_fits(number, "1", "0", MAX_SIZE, "", false);
	assert_fits(array, "[1", ",1", (MAX_SIZE - 3) / 2, "]", true);
	assert_fits(array, "[1", ",1", (MAX_SIZE - 3) / 2 + 1, "]", false);
	/* Quotes are its own, and blanks are not stored. */
	assert_fits(array, "[\"\"", ",\"\"", (MAX_SIZE - 4) / 3, "]", true);
	assert_fits(array, "[1", " ", 10 * MAX_SIZE, "]", true);
}

static size_t stored(const char *s)
{
	return value_stored_size(s, strlen(s));
}

Test(value, its_stored_size_counts_escapes_and_base64, .init = support_init)
{
	cr_assert_eq(value_stored_size(NULL, 0), 0);
	cr_assert_eq(stored("hello/"), 6);
	cr_assert_eq(stored("\"\\"), 4);
	cr_assert_eq(stored("\b\t\n\f\r"), 10);
	cr_assert_eq(stored("\x01\x0b\x1f"), 18);
	cr_assert_eq(stored("\x7f\xc3\xa9\xf0\x9f\x98\x80"), 7);
	cr_assert_eq(stored("\xff"), 4);
	cr_assert_eq(value_stored_size("\0\0\0\0", 3), 4);
	cr_assert_eq(value_stored_size("\0\0\0\0", 4), 8);
}

/* Every character that JSON has to escape, against what is printed. */
Test(value, its_stored_size_is_that_of_the_json, .init = support_init)
{
	for (char c = 1; c > 0 && c < 127; c++) {
		_cleanup_json_ cJSON *json = json_new_string(&c, 1);
		_cleanup_free_ char *text = support_print(json);

		cr_assert_eq(value_stored_size(&c, 1), strlen(text) - 2, "%s", text);
	}
}

static void assert_as_type(enum kv_type type, const char *bytes, int r, enum kv_type becomes,
			   const char *text)
{
	_cleanup_buf_ struct buf b = {0};
	struct kv_change change = change_k();
	struct err err = {0};

	buf_add_str(&b, bytes);
	cr_assert_eq(value_as_type(type, &b, &change, &err), r, "%s", bytes);
	cr_assert_eq(err.code, -r);
	if (r < 0)
		return;
	cr_assert_eq(change.type, becomes, "%s", bytes);
	cr_assert_not(change.binary);
	cr_assert_not(change.stored);
	cr_assert_str_eq(change.text, text);
	cr_assert_eq(change.len, strlen(text));
}

Test(value, it_may_be_read_as_another_type, .init = support_init)
{
	assert_as_type(KV_STRING, "5\n", 0, KV_STRING, "5\n");
	assert_as_type(KV_NUMBER, "5\n", 0, KV_NUMBER, "5");
	assert_as_type(KV_TRUE, "false", 0, KV_FALSE, "false");
	assert_as_type(KV_TRUE, "true", 0, KV_TRUE, "true");
	assert_as_type(KV_NULL, "null", 0, KV_NULL, "null");
	assert_as_type(KV_OBJECT, "{ \"a\" : 1.0 }", 0, KV_OBJECT, "{\"a\":1.0}");
	assert_as_type(KV_ARRAY, "[ ]", 0, KV_ARRAY, "[]");
	assert_as_type(KV_STRING, "", 0, KV_STRING, "");
}

Test(value, it_is_not_read_as_a_type_that_it_is_not, .init = support_init)
{
	assert_as_type(KV_NUMBER, "five", -EINVAL, 0, NULL);
	assert_as_type(KV_NUMBER, "", -EINVAL, 0, NULL);
	assert_as_type(KV_NUMBER, "5\n\nx", -EINVAL, 0, NULL);
	assert_as_type(KV_TRUE, "1", -EINVAL, 0, NULL);
	assert_as_type(KV_NULL, "", -EINVAL, 0, NULL);
	assert_as_type(KV_OBJECT, "[]", -EINVAL, 0, NULL);
	assert_as_type(KV_ARRAY, "{}", -EINVAL, 0, NULL);
	assert_as_type(KV_ARRAY, "\xff", -EINVAL, 0, NULL);
}
