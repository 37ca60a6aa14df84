// SPDX-License-Identifier: Apache-2.0
/* Sections [on_change]: words of commands, and what is refused. */

#include "conf/on_change.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <string.h>

static void expect_words(const char *command, const char *const *expected)
{
	char **words = NULL;
	size_t n = 0;

	cr_assert_eq(on_change_words(command, &words), 0, "%s", command);
	for (; expected[n]; n++) {
		cr_assert(words[n], "%s: word %zu is missing", command, n);
		cr_assert_str_eq(words[n], expected[n]);
	}
	cr_assert_null(words[n]);
	on_change_words_free(words);
}

Test(on_change, words_are_parted_and_quoted_as_in_a_shell)
{
	expect_words("systemctl reload nginx",
		     (const char *const[]){"systemctl", "reload", "nginx", NULL});
	expect_words("  a\t b ", (const char *const[]){"a", "b", NULL});
	expect_words("a 'b c' \"d e\" f\\ g",
		     (const char *const[]){"a", "b c", "d e", "f g", NULL});
	expect_words("a '' b'c'\"d\"", (const char *const[]){"a", "", "bcd", NULL});
	expect_words("a \"\\\"\" '\\' $x;y|z",
		     (const char *const[]){"a", "\"", "\\", "$x;y|z", NULL});
	expect_words("", (const char *const[]){NULL});
}

Test(on_change, a_quote_without_its_end_is_refused)
{
	char **words = NULL;

	cr_assert_eq(on_change_words("a 'b", &words), -EINVAL);
	cr_assert_eq(on_change_words("\"", &words), -EINVAL);
}

Test(on_change, a_section_has_a_command_or_a_signal)
{
	struct on_change *list = NULL, *hook;
	struct err err = {0};

	cr_assert_eq(on_change_add(&list, "[on_change \"/app/tls/*\"]\n", &hook, &err), 0);
	cr_assert_str_eq(hook->pattern, "app/tls/*");
	cr_assert_eq(on_change_check(list, &err), -EINVAL);
	cr_assert_eq(on_change_set(hook, "signal", "SIGHUP  /run/x.pid", &err), 0);
	cr_assert_eq(hook->signal, SIGHUP);
	cr_assert_str_eq(hook->pid_file, "/run/x.pid");
	cr_assert_eq(on_change_check(list, &err), 0);
	cr_assert_eq(on_change_set(hook, "run", "true", &err), 0);
	cr_assert_eq(on_change_check(list, &err), -EINVAL);
	on_change_free(list);
}

Test(on_change, what_makes_no_sense_is_refused)
{
	struct on_change *list = NULL, *hook;
	struct err err = {0};

	cr_assert_eq(on_change_add(&list, "[on_change a]", &hook, &err), -EINVAL);
	cr_assert_eq(on_change_add(&list, "[on_change \"\"]", &hook, &err), -EINVAL);
	cr_assert_null(list);
	cr_assert_eq(on_change_add(&list, "[on_change \"a\"]", &hook, &err), 0);
	cr_assert_eq(on_change_set(hook, "signal", "HUP", &err), -EINVAL);
	cr_assert_eq(on_change_set(hook, "signal", "HUPS /x", &err), -EINVAL);
	cr_assert_eq(on_change_set(hook, "timeout", "0", &err), -EINVAL);
	cr_assert_eq(on_change_set(hook, "shell", "perhaps", &err), -EINVAL);
	cr_assert_eq(on_change_set(hook, "unknown", "x", &err), -EINVAL);
	on_change_free(list);
}
