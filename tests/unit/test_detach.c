// SPDX-License-Identifier: Apache-2.0
/* Going to the background: the command hears the daemon's word, or that it died without one; the
 * daemon speaks once, and is a session of its own in the root directory. */

#include "unit_support.h"

#include "host/detach.h"

#include <signal.h>

TestSuite(detach, .fini = support_fini, .timeout = 120);

/* The daemon's part: `speak` is called, and then it ends. */
static void detach(void (*speak)(struct detach *d), int *status, struct err *word)
{
	struct detach d = {.report = -1};
	struct err err = {0};
	bool parent;

	cr_assert_eq(detach_fork(&d, &parent, status, &err), 0, "%s", err_text(&err));
	if (!parent) {
		speak(&d);
		_exit(0);
	}
	*word = err;
}

static void fail_twice(struct detach *d)
{
	struct err err = {0}, other = {0};

	err_set(&err, EKEYREJECTED, "the login was refused");
	err_set(&other, EIO, "this is not heard");
	detach_report(d, 2, &err);
	detach_report(d, 7, &other);
}

Test(detach, the_daemons_word_reaches_the_command)
{
	struct err word = {0};
	int status = -1;

	detach(fail_twice, &status, &word);
	cr_assert_eq(status, 2);
	cr_assert_eq(word.code, EKEYREJECTED);
	cr_assert_str_eq(err_text(&word), "the login was refused");
}

/* The state of a daemon, in a word. */
static void describe(struct detach *d)
{
	char here[64] = "";
	struct err err = {0};

	detach_session();
	err_set(&err, EIO, "%s %d", getcwd(here, sizeof(here)), getsid(0) == getpid());
	detach_report(d, 0, &err);
}

Test(detach, the_daemon_is_a_session_of_its_own_in_the_root)
{
	struct err word = {0};
	int status = -1;

	detach(describe, &status, &word);
	cr_assert_eq(status, 0);
	cr_assert_str_eq(word.text, "/ 1");
}

static void say_nothing(struct detach *d)
{
}

static void die(struct detach *d)
{
	kill(getpid(), SIGKILL);
}

Test(detach, a_daemon_that_dies_without_a_word_has_failed)
{
	void (*const ends[])(struct detach *) = {say_nothing, die};

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		struct err word = {0};
		int status = 0;

		detach(ends[i], &status, &word);
		cr_assert_neq(status, 0);
		cr_assert_not_null(strstr(word.text, "ended before it was ready"), "%s", word.text);
	}
}

Test(detach, who_did_not_detach_has_nobody_to_tell)
{
	struct detach d = {.report = -1};

	detach_report(&d, 1, &(struct err){.code = EIO});
	cr_assert_eq(d.report, -1);
}
