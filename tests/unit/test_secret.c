// SPDX-License-Identifier: Apache-2.0
/* Tokens and keys: a copy in secret memory that ends with a NUL, is counted, and is given back by the
 * last reference; and what of a file becomes one: white space at its ends aside, within the bound,
 * not nothing. */

#include "unit_support.h"

#include "base/secmem.h"
#include "base/secret.h"

#include <sys/stat.h>

TestSuite(secret, .fini = support_fini, .timeout = 120);

/* Calls secret_from_file() for a file with that content. */
static int from_bytes(const char *bytes, size_t len, size_t max, struct secret **out)
{
	_cleanup_free_ char *path = support_file("token", bytes, len);

	return secret_from_file(path, max, SECRET_WORD, out, NULL);
}

static void assert_yields(const char *content, const char *expected)
{
	_cleanup_secret_ struct secret *s = NULL;

	cr_assert_eq(from_bytes(content, strlen(content), 100, &s), 0, "\"%s\"", content);
	cr_assert_eq(s->len, strlen(expected));
	cr_assert_str_eq(s->bytes, expected);
}

Test(secret, new_copies_the_bytes_and_ends_them, .init = support_init)
{
	char bytes[] = {'a', '\0', 'b', 'x'};
	_cleanup_secret_ struct secret *s = secret_new(bytes, 3);

	bytes[0] = 'z';
	cr_assert_eq(s->len, 3);
	cr_assert_eq(memcmp(s->bytes, "a\0b", 4), 0);
}

Test(secret, an_empty_one_is_possible, .init = support_init)
{
	_cleanup_secret_ struct secret *s = secret_new("", 0);

	cr_assert_eq(s->len, 0);
	cr_assert_eq(s->bytes[0], '\0');
}

Test(secret, the_last_reference_frees_it, .init = support_init)
{
	size_t before = secmem_used();
	struct secret *s = secret_new("hvs.x", 5);

	cr_assert_gt(secmem_used(), before, "it is not in secret memory");
	cr_assert_eq(secret_ref(s), s);
	secret_put(s);
	cr_assert_gt(secmem_used(), before);
	cr_assert_str_eq(s->bytes, "hvs.x");
	secret_put(s);
	cr_assert_eq(secmem_used(), before);
	cr_assert_null(secret_ref(NULL));
	secret_put(NULL);
}

Test(secret, equality_is_of_all_bytes, .init = support_init)
{
	_cleanup_secret_ struct secret *a = secret_new("a\0b", 3), *b = secret_new("a\0b", 3);
	_cleanup_secret_ struct secret *c = secret_new("a\0c", 3), *d = secret_new("a\0", 2);

	cr_assert(secret_equal(a, b));
	cr_assert(secret_equal(a, a));
	cr_assert_not(secret_equal(a, c));
	cr_assert_not(secret_equal(a, d));
	cr_assert_not(secret_equal(a, NULL));
	cr_assert_not(secret_equal(NULL, a));
	cr_assert(secret_equal(NULL, NULL));
}

Test(secret, white_space_around_a_files_content_is_no_part_of_it, .init = support_init)
{
	assert_yields("hvs.abc", "hvs.abc");
	assert_yields("hvs.abc\n", "hvs.abc");
	assert_yields("hvs.abc\r\n\n", "hvs.abc");
	assert_yields(" \t\n hvs.abc \t\v\f\n", "hvs.abc");
	assert_yields("\nin side\n", "in side");
	assert_yields("x", "x");
}

Test(secret, of_a_line_only_the_break_at_its_end_is_no_part, .init = support_init)
{
	static const char *const rows[][2] = {
		{" a b ", " a b "}, {" a b \n", " a b "}, {"\ta\r\n", "\ta"}, {"a\n\n", "a\n"},
		{"a\r", "a\r"},	    {" \n", " "},	  {"\r\r\n", "\r"}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		_cleanup_free_ char *path = support_file("line", rows[i][0], strlen(rows[i][0]));
		_cleanup_secret_ struct secret *s = NULL;

		cr_assert_eq(secret_from_file(path, 100, SECRET_LINE, &s, NULL), 0, "row %zu", i);
		cr_assert_eq(s->len, strlen(rows[i][1]), "row %zu", i);
		cr_assert_str_eq(s->bytes, rows[i][1]);
	}
	for (size_t i = 0; i < 3; i++) {
		static const char *const none[] = {"", "\n", "\r\n"};
		_cleanup_free_ char *path = support_file("none", none[i], strlen(none[i]));
		struct secret *s = NULL;

		cr_assert_eq(secret_from_file(path, 100, SECRET_LINE, &s, NULL), -ENODATA);
	}
}

Test(secret, an_empty_file_is_no_secret, .init = support_init)
{
	struct secret *s = NULL;

	cr_assert_eq(from_bytes("", 0, 100, &s), -ENODATA);
	cr_assert_eq(from_bytes(" \n\t\r\n", 5, 100, &s), -ENODATA);
	cr_assert_null(s);
}

Test(secret, a_file_may_be_as_long_as_allowed_and_no_longer, .init = support_init)
{
	size_t before = secmem_used();
	struct secret *s = NULL;

	cr_assert_eq(from_bytes("12345678", 8, 8, &s), 0);
	cr_assert_eq(s->len, 8);
	secret_put(steal(s));
	cr_assert_eq(from_bytes("123456789", 9, 8, &s), -EFBIG);
	cr_assert_eq(from_bytes("1\n       ", 9, 8, &s), -EFBIG);
	cr_assert_null(s);
	cr_assert_eq(secmem_used(), before, "a refused file stays in memory");
}

Test(secret, a_large_file_is_read_whole, .init = support_init)
{
	_cleanup_free_ char *bytes = malloc(60000);
	_cleanup_secret_ struct secret *s = NULL;

	for (size_t i = 0; i < 60000; i++)
		bytes[i] = (char)('a' + i % 26);
	cr_assert_eq(from_bytes(bytes, 60000, 64 << 10, &s), 0);
	cr_assert_eq(s->len, 60000);
	cr_assert_eq(memcmp(s->bytes, bytes, 60000), 0);
}

Test(secret, what_cannot_be_read_says_so, .init = support_init)
{
	_cleanup_free_ char *missing = support_path("missing");
	struct secret *s = NULL;

	cr_assert_eq(secret_from_file(missing, 100, SECRET_WORD, &s, NULL), -ENOENT);
	cr_assert_eq(secret_from_file(support_dir(), 100, SECRET_WORD, &s, NULL), -EISDIR);
	cr_assert_null(s);
}

Test(secret, goes_to_a_file_of_its_owner_in_place_of_another, .init = support_init)
{
	_cleanup_secret_ struct secret *s = secret_new("new\n", 4), *back = NULL;
	_cleanup_free_ char *path = support_file("token", "old, and longer", 15);
	_cleanup_free_ char *nowhere = support_path("no/folder");
	struct stat st;

	cr_assert_eq(secret_to_file(s, path), 0);
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0600);
	cr_assert_eq(st.st_size, 4);
	cr_assert_eq(secret_from_file(path, 100, SECRET_WORD, &back, NULL), 0);
	cr_assert_str_eq(back->bytes, "new");
	cr_assert_eq(secret_to_file(s, nowhere), -ENOENT);
}
