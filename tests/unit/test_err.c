// SPDX-License-Identifier: Apache-2.0
/* The sentence for the user: that it is set, replaced and prefixed, that its code comes back negative,
 * that it never overflows, and that words from a server can neither break a line nor steer a
 * terminal. */

#include "unit_support.h"

#include "base/err.h"

TestSuite(err, .fini = support_fini, .timeout = 120);

Test(err, set_returns_the_negative_code_and_keeps_both)
{
	struct err e = {0};

	cr_assert_eq(err_set(&e, EACCES, "no way to %s number %d", "door", 3), -EACCES);
	cr_assert_eq(e.code, EACCES);
	cr_assert_str_eq(err_text(&e), "no way to door number 3");
}

Test(err, set_takes_the_place_of_what_was_there)
{
	struct err e = {0};

	err_set(&e, EIO, "a first sentence, which is the longer one");
	err_set(&e, ENOENT, "a second");
	cr_assert_eq(e.code, ENOENT);
	cr_assert_str_eq(e.text, "a second");
}

Test(err, nobody_needs_to_ask)
{
	cr_assert_eq(err_set(NULL, EBUSY, "unheard %s", "of"), -EBUSY);
	cr_assert_eq(err_prefix(NULL, "unheard"), -EIO);
}

Test(err, control_characters_become_harmless)
{
	struct err e = {0};

	err_set(&e, EIO, "%s", "a\nb\tc\rd");
	cr_assert_str_eq(e.text, "a b c d");
	err_set(&e, EIO, "%s", "a\x1b[31mb\x7f\x01");
	cr_assert_str_eq(e.text, "a?[31mb??");
	err_set(&e, EIO, "%s", "two\r\n\r\nlines");
	cr_assert_str_eq(e.text, "two lines");
}

Test(err, no_control_and_no_broken_character_survives)
{
	for (int c = 1; c < 0x100; c++) {
		char text[] = {'a', (char)c, 'b', '\0'};
		struct err e = {0};

		err_set(&e, EIO, "%s", text);
		for (const char *p = e.text; *p; p++)
			cr_assert((unsigned char)*p >= 0x20 && *p != 0x7f, "byte %d", c);
		if (c > 0x20 && c < 0x7f)
			cr_assert_str_eq(e.text, text);
		else if (c >= 0x7f) /* by itself it is no UTF-8 */
			cr_assert_str_eq(e.text, "a?b");
	}
}

Test(err, other_alphabets_are_left_alone)
{
	struct err e = {0};

	err_set(&e, EIO, "kein Zugriff für %s", "Jürgen 日本");
	cr_assert_str_eq(e.text, "kein Zugriff für Jürgen 日本");
}

Test(err, a_long_sentence_is_cut_and_ended)
{
	struct err e = {0};
	char text[2000];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	err_set(&e, EIO, "%s", text);
	cr_assert_eq(strlen(e.text), sizeof(e.text) - 1);
	err_prefix(&e, "%s", text);
	cr_assert_eq(strlen(e.text), sizeof(e.text) - 1);
}

Test(err, prefix_stands_before_the_sentence)
{
	struct err e = {0};

	err_set(&e, ENOENT, "no such file");
	cr_assert_eq(err_prefix(&e, "line %d", 7), -ENOENT);
	cr_assert_str_eq(e.text, "line 7: no such file");
	cr_assert_eq(err_prefix(&e, "reading"), -ENOENT);
	cr_assert_str_eq(e.text, "reading: line 7: no such file");
	cr_assert_eq(e.code, ENOENT);
}

Test(err, prefix_makes_a_sentence_of_a_bare_code)
{
	struct err e = {.code = EACCES};

	cr_assert_eq(err_prefix(&e, "open"), -EACCES);
	cr_assert_str_eq(e.text, "open: Permission denied");
}

Test(err, prefix_never_returns_success)
{
	struct err e = {0};

	cr_assert_eq(err_prefix(&e, "what"), -EIO);
}

Test(err, prefix_is_made_harmless_too)
{
	struct err e = {0};

	err_set(&e, EIO, "b");
	err_prefix(&e, "%s", "a\n\x1b[2J");
	cr_assert_str_eq(e.text, "a ?[2J: b");
}

Test(err, text_falls_back_on_the_code)
{
	struct err e = {.code = ENOSPC};

	cr_assert_str_eq(err_text(&e), strerror(ENOSPC));
}

Test(err, names_are_those_of_errno)
{
	cr_assert_str_eq(err_name(EACCES), "EACCES");
	cr_assert_str_eq(err_name(EKEYEXPIRED), "EKEYEXPIRED");
	cr_assert_str_eq(err_name(0), "0");
	cr_assert_str_eq(err_name(99999), "E?");
}
