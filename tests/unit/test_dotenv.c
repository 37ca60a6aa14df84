// SPDX-License-Identifier: Apache-2.0
/* .env files: what each odd way to write a value yields, what is refused, and that a sentence about
 * it never holds a value. */

#include "unit_support.h"

#include "conf/dotenv.h"

#include <errno.h>
#include <stdio.h>

TestSuite(dotenv, .init = support_init, .fini = support_fini, .timeout = 120);

static void assert_value(const char *text, const char *name, const char *value)
{
	_cleanup_dotenv_ struct dotenv e = {0};
	struct err err = {0};
	const struct dotenv_row *row;

	cr_assert_eq(dotenv_parse(text, strlen(text), &e, &err), 0, "%s: %s", text, err_text(&err));
	row = dotenv_find(&e, name);
	cr_assert_not_null(row, "%s", text);
	cr_assert_str_eq(row->value, value, "%s: %s", text, row->value);
	cr_assert_eq(row->len, strlen(value));
}

static void assert_refused(const char *text, const char *part)
{
	_cleanup_dotenv_ struct dotenv e = {0};
	struct err err = {0};

	cr_assert_eq(dotenv_parse(text, strlen(text), &e, &err), -EINVAL, "%s", text);
	cr_assert_not_null(strstr(err_text(&err), part), "%s: %s", text, err_text(&err));
	cr_assert_null(strstr(err_text(&err), "canary"), "%s", err_text(&err));
}

Test(dotenv, plain_values_end_at_a_comment_or_the_line)
{
	static const char *const rows[][2] = {
		{"A=b", "b"},		{"A=b\n", "b"},
		{"A=b\r\n", "b"},	{"A=b\r", "b"},
		{"A='b'\r", "b"},	{"A=\tb c \t\n", "b c"},
		{"  A  =  b", "b"},	{"A=", ""},
		{"A=\n", ""},		{"A= # nothing", ""},
		{"A=b # comment", "b"}, {"A=b\t# comment", "b"},
		{"A=a=b==", "a=b=="},	{"A=it's \"fine\"", "it's \"fine\""},
		{"A=\\$HOME", "$HOME"}, {"A=pa$$%", "pa$$%"},
		{"A=$", "$"},		{"A=\xc3\xa4\xff", "\xc3\xa4\xff"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_value(rows[i][0], "A", rows[i][1]);
}

Test(dotenv, quoted_values_keep_everything)
{
	static const char *const rows[][2] = {
		{"A='b'", "b"},
		{"A = ' b # c '  # comment", " b # c "},
		{"A='b'#comment", "b"},
		{"A=''", ""},
		{"A=\"\"", ""},
		{"A='C:\\dir\\x'", "C:\\dir\\x"},
		{"A='\\n$HOME $(X) `id`'", "\\n$HOME $(X) `id`"},
		{"A=`it's \"so\"`", "it's \"so\""},
		{"A='it'\\''s'", "it's"},
		{"A='a'\\''b'\\\\'c'\\$'d'\\'", "a'b\\c$d'"},
		{"A=\"a\\nb\\r\\\\d\\\"e\\$g\"", "a\nb\r\\d\"e$g"},
		{"A=\"pa$$%\"", "pa$$%"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_value(rows[i][0], "A", rows[i][1]);
}

Test(dotenv, quoted_values_have_several_lines)
{
	assert_value("A='one\ntwo\n'\nB=c", "A", "one\ntwo\n");
	assert_value("A='one\ntwo\n'\nB=c", "B", "c");
	assert_value("A=\"one\r\ntwo\"\r\nB=c\r\n", "A", "one\ntwo");
	assert_value("A=\"one\r\ntwo\"\r\nB=c\r\n", "B", "c");
	assert_value("A=\"-----BEGIN KEY-----\nab+/=\n-----END KEY-----\n\"", "A",
		     "-----BEGIN KEY-----\nab+/=\n-----END KEY-----\n");
	assert_value("A='\n#no comment\nB=no variable'", "A", "\n#no comment\nB=no variable");
}

Test(dotenv, names_are_exported_spaced_and_dotted)
{
	assert_value("export A=b", "A", "b");
	assert_value("  export\t A = 'b'", "A", "b");
	assert_value("export=b", "export", "b");
	assert_value("export = b", "export", "b");
	assert_value("exported=b", "exported", "b");
	assert_value("a.b-c_9=d", "a.b-c_9", "d");
	assert_value("A: b", "A", "b");
	assert_value("A: 'b:c'", "A", "b:c");
	assert_value("A=1\nexport A\n", "A", "1");
	assert_value("\xef\xbb\xbf"
		     "A=1",
		     "A", "1");
	assert_value("\n# A=0\n   # A=0\n\n\t\nA=1\n#", "A", "1");
}

Test(dotenv, the_last_of_a_name_counts)
{
	static const char text[] = "A=1\nB='\n'\nA=2";
	_cleanup_dotenv_ struct dotenv e = {0};

	cr_assert_eq(dotenv_parse(text, strlen(text), &e, NULL), 0);
	cr_assert_eq(e.count, 3);
	cr_assert_str_eq(dotenv_find(&e, "A")->value, "2");
	cr_assert_eq(dotenv_find(&e, "A")->line, 4);
	cr_assert(!e.rows[0].last && e.rows[1].last && e.rows[2].last);
	cr_assert_null(dotenv_find(&e, "C"));
	cr_assert_null(dotenv_find(&e, "a"));
}

Test(dotenv, interpolation_is_refused)
{
	assert_refused("A=canary\nB=x$HOME", "line 2: B: ");
	assert_refused("B=\"canary ${HOME}\"", "line 1: B: ");
	assert_refused("B=\"canary\n\n$(id)\"", "line 3: B: ");
	assert_refused("B=$_x", "not supported");
	assert_refused("B=canary$5", "not supported");
	assert_refused("B='canary${HOME}'", "between single quotes");
}

Test(dotenv, what_is_no_variable_is_refused)
{
	assert_refused("A=1\n\ncanary\n", "line 3: not NAME=VALUE");
	assert_refused("=canary", "line 1: not NAME=VALUE");
	assert_refused("A B=canary", "not NAME=VALUE");
	assert_refused("A:canary", "not NAME=VALUE");
	assert_refused("export A", "not NAME=VALUE");
	assert_refused("A=1\nA\n", "line 2: not NAME=VALUE");
	assert_refused("B=1\nA='canary\n\n", "line 2: A: the quote");
	assert_refused("A=\"canary\\", "between double quotes");
	assert_refused("A=\"canary", "the quote");
	assert_refused("A='canary'\"canary\"", "behind the closing quote");
	assert_refused("A='canary''canary'", "behind the closing quote");
	assert_refused("A='it\\'s canary'", "between single quotes");
	assert_refused("A=\"canary\\tcanary\"", "between double quotes");
	assert_refused("B=1\rA=canary\\n", "line 2: A: a backslash without quotes");
	assert_refused("A=canary#canary", "begins a comment to some");
	assert_refused("A=canary\xc2\xa0", "neither space nor tab");
	assert_refused("A='canary' canary", "behind the closing quote");
}

Test(dotenv, a_nul_byte_is_refused)
{
	_cleanup_dotenv_ struct dotenv e = {0};
	struct err err = {0};

	cr_assert_eq(dotenv_parse("A=b\0c\n", 6, &e, &err), -EINVAL);
	cr_assert_not_null(strstr(err_text(&err), "NUL"));
}

Test(dotenv, every_beginning_of_a_file_is_read_or_refused)
{
	static const char text[] =
		"\xef\xbb\xbf# c\r\nexport A='b\n' # d\rB: \"\\n\n\\$\"\nE='x'\\''y'\n"
		"C=`q`\nD=a\\$b # e\nexport A\n";

	for (size_t n = 0; n <= strlen(text); n++) {
		_cleanup_dotenv_ struct dotenv e = {0};
		_cleanup_free_ char *copy = malloc(n ? n : 1); /* its end is the block's end */
		int r;

		memcpy(copy, text, n);
		r = dotenv_parse(copy, n, &e, NULL);
		cr_assert(r == 0 || r == -EINVAL, "%zu: %d", n, r);
		for (size_t i = 0; i < e.count; i++)
			cr_assert_eq(strlen(e.rows[i].value), e.rows[i].len);
	}
}

Test(dotenv, files_are_named_in_sentences)
{
	_cleanup_free_ char *good = support_file("good", "A='b\n'\n", 7),
			    *bad = support_file("bad", "A=1\nB", 5);
	_cleanup_dotenv_ struct dotenv e = {0};
	struct dotenv none = {0};
	struct err err = {0};

	cr_assert_eq(dotenv_read(good, true, &e, &err), 0, "%s", err_text(&err));
	cr_assert_str_eq(dotenv_find(&e, "A")->value, "b\n");
	cr_assert_eq(dotenv_read(bad, true, &none, &err), -EINVAL);
	cr_assert_not_null(strstr(err_text(&err), bad));
	cr_assert_not_null(strstr(err_text(&err), "line 2"));
	dotenv_fini(&none);
	cr_assert_eq(dotenv_read("/no/such/file", true, &none, &err), -ENOENT);
	cr_assert_not_null(strstr(err_text(&err), "/no/such/file"));
	dotenv_fini(&none);
}
