// SPDX-License-Identifier: Apache-2.0
/* .env files as the libraries of the languages read them: python-dotenv 1.2, node's dotenv 17,
 * Ruby's dotenv 3, Go's godotenv 1.5; and a shell. A form on which they agree is read so; any other
 * is refused, but for the rows that the head of conf/dotenv.c lists. */

#include "unit_support.h"

#include "conf/dotenv.h"

#include <errno.h>
#include <stdio.h>

TestSuite(dotenv_libraries, .init = support_init, .fini = support_fini, .timeout = 120);

/* The value of "A" for each library; NULL: it refuses the file, or has no A. */
struct row {
	const char *text, *python, *node, *ruby, *go;
};

/* NULL where the file is refused. */
static const char *ours_of(const char *text, struct dotenv *e)
{
	const struct dotenv_row *row;

	if (dotenv_parse(text, strlen(text), e, NULL) < 0)
		return NULL;
	row = dotenv_find(e, "A");
	return row ? row->value : NULL;
}

static const char *const *libraries(const struct row *r)
{
	return &r->python;
}

Test(dotenv_libraries, what_they_agree_on_is_read)
{
	static const struct row rows[] = {
#define ALL(text, value) {text, value, value, value, value}
		ALL("A=b", "b"),
		ALL(" A = b ", "b"),
		ALL("A=\n", ""),
		ALL("A=", ""),
		ALL("export A=b", "b"),
		ALL("\t export\tA=b", "b"),
		ALL("# A=0\n\n \t\nA=b\n#", "b"),
		ALL("A=0\nA=b", "b"),
		ALL("A=b c\td", "b c\td"),
		ALL("A=b #c", "b"),
		ALL("A=b\t# c", "b"),
		ALL("A=a=b==", "a=b=="),
		ALL("A=me@example.tld", "me@example.tld"),
		ALL("A={\"k\": \"v\"}", "{\"k\": \"v\"}"),
		ALL("A=it's \"so\"", "it's \"so\""),
		ALL("A=1:B", "1:B"),
		ALL("A=$", "$"),
		ALL("A=a$$-b", "a$$-b"),
		ALL("A=\xc3\xa4", "\xc3\xa4"),
		ALL("A='b'", "b"),
		ALL("A = \" b \"  ", " b "),
		ALL("A='b#c' # d", "b#c"),
		ALL("A=\"b#c\"#d", "b#c"),
		ALL("A='\"b\"'", "\"b\""),
		ALL("A=\"'b'\"", "'b'"),
		ALL("A='b\nc\n'\nB=d", "b\nc\n"),
		ALL("A=\"b\nc\"\nB=d", "b\nc"),
		ALL("A='\n#b\nB=c'", "\n#b\nB=c"),
		ALL("A='C:\\apps\\new'", "C:\\apps\\new"),
		ALL("A='b\\nc'", "b\\nc"),
		ALL("A='$b $(c) $1'", "$b $(c) $1"),
		ALL("A=\"$ b\"", "$ b"),
		/* Lines end with CR LF and with CR. */
		ALL("A=b\r\nB=c\r\n", "b"),
		ALL("A=b\rB=c\r", "b"),
		ALL("B=c\rA=b\rC=d", "b"),
		ALL("A='b'\r", "b"),
		ALL("A=\"b\r\nc\"\r\n", "b\nc"),
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_dotenv_ struct dotenv e = {0};
		const char *ours = ours_of(rows[i].text, &e);

		cr_assert_not_null(ours, "%s", rows[i].text);
		cr_assert_str_eq(ours, rows[i].python, "%s: %s", rows[i].text, ours);
	}
}

Test(dotenv_libraries, what_they_do_not_agree_on_is_refused)
{
	static const struct row rows[] = {
		/* Backslashes. */
		{"A=\"C:\\apps\"", "C:\apps", "C:\\apps", "C:apps", "C:apps"},
		{"A=\"b\\tc\"", "b\tc", "b\\tc", "btc", "btc"},
		{"A=\"b\\ c\\d\"", "b\\ c\\d", "b\\ c\\d", "b cd", "b cd"},
		{"A=\"it\\'s\"", "it's", "it\\'s", "it's", "it's"},
		{"A=\"b\\`c\"", "b\\`c", "b\\`c", "b`c", "b`c"},
		{"A=\"b \\\n c\"", "b \\\n c", "b \\\n c", "b \n c", "b \n c"},
		{"A=\"b\\\\$\"", "b\\$", "b\\\\$", "b$", "b$"},
		{"A=\"C:\\\\\"\nB=\"c\"", "C:\\", "C:\\\\", "C:\\", NULL},
		{"A='b\\'c'", "b'c", "b\\'c", "b\\'c", "b\\'c"},
		{"A='b\\\\c'", "b\\c", "b\\\\c", "b\\\\c", "b\\\\c"},
		{"A='C:\\dir\\'", NULL, "C:\\dir\\", "C:\\dir\\", NULL},
		{"A=b\\ c", "b\\ c", "b\\ c", "b c", "b\\ c"},
		{"A=b\\nc", "b\\nc", "b\\nc", "bnc", "b\\nc"},
		{"A=\\\\server\\share", "\\\\server\\share", "\\\\server\\share", "\\servershare",
		 "\\\\server\\share"},
		/* Comments. */
		{"A=b#c", "b#c", "b", "b", "b#c"},
		{"A=#fff", "#fff", "", "", "#fff"},
		{"A=# # c", "#", "", "", "#"},
		/* Replaced by some library. */
		{"B=c\nA=$B", "$B", "$B", "c", "c"},
		{"A=${B}", "", "${B}", "", ""},
		{"A=\"${B:-c}\"", "c", "${B:-c}", ":-c}", ":-c}"},
		{"A='${B}'", "", "${B}", "${B}", "${B}"},
		{"A=pa$5", "pa$5", "pa$5", "pa", "pa"},
		{"A=$(id)", "$(id)", "$(id)", "uid=0", "$(id)"},
		/* Quotes and what follows them. */
		{"A='b' c", NULL, "'b' c", "'b' c", "b"},
		{"A=\"b\"'c'", NULL, "\"b\"'c'", "\"b\"'c'", NULL},
		{"A='b''c'", NULL, "b''c", "b''c", NULL},
		{"A=\"b", NULL, "\"b", "\"b", NULL},
		{"A='b", NULL, "'b", "'b", NULL},
		/* Blanks that some take for one. */
		{"A=b\xc2\xa0", "b", "b", "b\xc2\xa0", "b"},
		{"A=\xe2\x80\x83"
		 "b",
		 "b", "b",
		 "\xe2\x80\x83"
		 "b",
		 "\xe2\x80\x83"
		 "b"},
		{"A=b\x1f", "b", "b\x1f", "b\x1f", "b\x1f"},
		/* Names. */
		{"A:\nB=c", NULL, "B=c", "B=c", ""},
		{"A:b", NULL, NULL, NULL, "b"},
		{"'A'=b", "b", NULL, NULL, NULL},
		{"A", NULL, NULL, NULL, NULL},
		{"---\nA=b", "b", "b", "b", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_dotenv_ struct dotenv e = {0};

		cr_assert_null(ours_of(rows[i].text, &e), "%s", rows[i].text);
	}
}

/* The manual lists the differences for users of the library that differs. */
Test(dotenv_libraries, what_is_read_all_the_same)
{
	static const struct {
		struct row row;
		const char *ours;
	} rows[] = {
		{{"A=\"b\\nc\"", "b\nc", "b\nc", "b\\nc", "b\nc"}, "b\nc"},
		{{"A=\"b\\rc\"", "b\rc", "b\rc", "b\\rc", "b\rc"}, "b\rc"},
		{{"A=\"b\\\"c\"", "b\"c", "b\\\"c", "b\"c", "b\"c"}, "b\"c"},
		{{"A=\"b\\\\c\"", "b\\c", "b\\\\c", "b\\c", "b\\c"}, "b\\c"},
		{{"A=\"\\$B\"", "\\$B", "\\$B", "$B", "$B"}, "$B"},
		{{"A=\\${B}", "\\", "\\${B}", "${B}", "${B}"}, "${B}"},
		{{"A=`b \"c'`", "`b \"c'`", "b \"c'", "`b \"c'`", "`b \"c'`"}, "b \"c'"},
		{{"A= # b # c", "", "", "", "# b"}, ""},
		{{"A: b", NULL, "b", "b", "b"}, "b"},
		{{"A=b\nexport A", NULL, "b", "b", "b"}, "b"},
		{{"# B=c\rA=b", "b", "b", "b", NULL}, "b"},
		{{"A=\"b\rc\"", "b\nc", "b\nc", "b\nc", "b\rc"}, "b\nc"},
		{{"A='it'\\''s'", NULL, "it'\\''s", "it'\\''s", NULL}, "it's"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_dotenv_ struct dotenv e = {0};
		const char *ours = ours_of(rows[i].row.text, &e);
		unsigned agree = 0;

		cr_assert_not_null(ours, "%s", rows[i].row.text);
		cr_assert_str_eq(ours, rows[i].ours, "%s: %s", rows[i].row.text, ours);
		for (size_t k = 0; k < 4; k++) {
			const char *theirs = libraries(&rows[i].row)[k];

			agree += theirs && !strcmp(theirs, ours);
		}
		/* Nothing is made up; the last row is a shell's. */
		cr_assert(agree > 0 || i + 1 == ARRAY_SIZE(rows), "%s", rows[i].row.text);
	}
}
