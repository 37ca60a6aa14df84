// SPDX-License-Identifier: Apache-2.0
/* References in a text: where they begin and end, what they stand for, and what is none. */

#include "unit_support.h"

#include "cmd/run/reference.h"

TestSuite(reference, .fini = support_fini, .timeout = 60);

/* The first reference of a text, as it is written in it and as what it means. */
static void assert_found(const char *text, const char *written, const char *path, const char *field)
{
	_cleanup_reference_ struct reference r = {0};
	struct err err = {0};

	cr_assert_eq(reference_next(text, strlen(text), 0, "secret/app", &r, &err), 0, "%s: %s",
		     text, err_text(&err));
	cr_assert_eq(r.len, strlen(written), "%s: %zu bytes", text, r.len);
	cr_assert_eq(memcmp(text + r.start, written, r.len), 0);
	cr_assert_str_eq(r.path, path);
	cr_assert_str_eq(r.field, field);
}

static void assert_refused(const char *text)
{
	_cleanup_reference_ struct reference r = {0};
	struct err err = {0};

	cr_assert_eq(reference_next(text, strlen(text), 0, "secret", &r, &err), -EINVAL, "%s",
		     text);
	cr_assert(err.text[0]);
}

Test(reference, a_path_and_a_field)
{
	assert_found("vault://secret/db#pw", "vault://secret/db#pw", "secret/db", "pw");
	assert_found("x=\"vault://secret/a.b-c_d~e#f.g_h\"", "vault://secret/a.b-c_d~e#f.g_h",
		     "secret/a.b-c_d~e", "f.g_h");
	assert_found("vault:///secret//db/#pw", "vault:///secret//db/#pw", "secret/db", "pw");
}

Test(reference, it_ends_where_a_name_ends)
{
	assert_found("pg://u:vault://secret/db#pw@host/x", "vault://secret/db#pw", "secret/db",
		     "pw");
	assert_found("vault://secret/db#pw/x", "vault://secret/db#pw", "secret/db", "pw");
	assert_found("See vault://secret/db#pw...", "vault://secret/db#pw", "secret/db", "pw");
	assert_found("vault://s/a#b#c", "vault://s/a#b", "s/a", "b");
	assert_found("vault://s/a#b\nx", "vault://s/a#b", "s/a", "b");
}

Test(reference, escapes_stand_for_bytes)
{
	assert_found("vault://s/a%20b#c%40%c3%A9", "vault://s/a%20b#c%40%c3%A9", "s/a b",
		     "c@\xc3\xa9");
	assert_refused("vault://s/%#a");
	assert_refused("vault://s/%2#a");
	assert_refused("vault://s/%zz#a");
	assert_refused("vault://s/%00#a");
	assert_refused("vault://s/a#b%f");
}

Test(reference, the_short_form)
{
	assert_found("vault://github_token.user!", "vault://github_token.user",
		     "secret/app/github/token/user", "value");
	assert_found("vault://x", "vault://x", "secret/app/x", "value");
	assert_found("vault://__x", "vault://__x", "secret/app/x", "value");
	assert_refused("vault://a/b");
	assert_refused("vault://");
	assert_refused("vault://#x");
	assert_refused("vault:// x");
}

Test(reference, what_is_none_is_left_alone)
{
	static const char text[] = "vault:/x vault: //x VAULT://x vau";

	for (size_t len = 0; len < sizeof(text); len++) {
		struct reference r;
		struct err err = {0};

		cr_assert_eq(reference_next(text, len, 0, "secret", &r, &err), 0);
		cr_assert_eq(r.len, 0);
	}
}

Test(reference, a_byte_has_a_line_and_a_column)
{
	size_t line, column;

	reference_locate("a\nbc\n", 0, &line, &column);
	cr_assert(line == 1 && column == 1);
	reference_locate("a\nbc\n", 3, &line, &column);
	cr_assert(line == 2 && column == 2);
	reference_locate("a\nbc\n", 5, &line, &column);
	cr_assert(line == 3 && column == 1);
}
