// SPDX-License-Identifier: Apache-2.0
/* .vault/errors: the last 64 failures, oldest first, one line each whatever its path holds. */

#include "unit_support.h"

#include "node/failures.h"

#include <stdio.h>

TestSuite(failures, .fini = support_fini, .timeout = 120);

static void add(struct failures *f, const char *path, int code, const char *text)
{
	struct err err = {0};

	err_set(&err, code, "%s", text);
	failures_add(f, &(struct failure){.path = (char *)path}, &err);
}

static void print(const struct failures *f, struct buf *to)
{
	failures_print(f, NULL, NULL, to);
	cr_assert_eq(buf_status(to), 0);
}

static size_t count_lines(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += *s == '\n';
	return n;
}

/* The only line's, behind the time. */
static void assert_prints(const char *path, int code, const char *text, const char *expected)
{
	struct failures f = {0};
	_cleanup_buf_ struct buf b = {0};

	add(&f, path, code, text);
	print(&f, &b);
	cr_assert_gt(b.len, 21);
	cr_assert_str_eq(b.data + 21, expected);
	failures_fini(&f);
}

Test(failures, none_is_nothing, .init = support_init)
{
	struct failures f = {0};
	_cleanup_buf_ struct buf b = {0};

	print(&f, &b);
	cr_assert_eq(b.len, 0);
	failures_fini(&f);
}

Test(failures, a_line_has_path_errno_and_sentence, .init = support_init)
{
	assert_prints("/db/password", EACCES, "the policy does not allow it",
		      "/db/password EACCES the policy does not allow it\n");
	assert_prints("/", EIO, "", "/ EIO Input/output error\n");
	assert_prints(NULL, EBUSY, "x", "? EBUSY x\n");
}

Test(failures, a_line_starts_with_the_time_in_utc, .init = support_init)
{
	struct failures f = {0};
	_cleanup_buf_ struct buf b = {0};

	setenv("TZ", "Asia/Kolkata", 1);
	tzset();
	add(&f, "/x", EIO, "y");
	f.rows[0].at = INT64_C(1709210096500000000);
	print(&f, &b);
	cr_assert_str_eq(b.data, "2024-02-29T12:34:56Z /x EIO y\n");
	failures_fini(&f);
}

Test(failures, they_are_dated_when_they_are_added, .init = support_init)
{
	struct failures f = {0};
	int64_t before = clock_wall();

	add(&f, "/x", EIO, "y");
	cr_assert_geq(f.rows[0].at, before);
	cr_assert_leq(f.rows[0].at, clock_wall());
	failures_fini(&f);
}

Test(failures, a_path_stays_one_word_of_one_line, .init = support_init)
{
	assert_prints("/a b/c\nd\te", EIO, "x", "/a\\040b/c\\012d\\011e EIO x\n");
	assert_prints("/\x01\x1b[31m\x7f\r", EIO, "x", "/\\001\\033[31m\\177\\015 EIO x\n");
	assert_prints("/back\\slash\\012", EIO, "x", "/back\\134slash\\134012 EIO x\n");
	assert_prints("/\n2024-02-29T12:34:56Z /forged EIO", EIO, "x",
		      "/\\0122024-02-29T12:34:56Z\\040/forged\\040EIO EIO x\n");
	assert_prints("/caf\xc3\xa9", EIO, "x", "/caf\xc3\xa9 EIO x\n");
}

/* Servers say it so: "1 error occurred:\n\t* permission denied\n\n". */
Test(failures, a_sentence_stays_one_line, .init = support_init)
{
	struct failures f = {0};
	_cleanup_buf_ struct buf b = {0};

	add(&f, "/x", EACCES, "1 error occurred:\n\t* permission denied\n\n");
	print(&f, &b);
	cr_assert_eq(count_lines(b.data), 1, "%s", b.data);
	cr_assert_not_null(strstr(b.data, "/x EACCES 1 error occurred: * permission denied"));
	failures_fini(&f);
}

/* Paths from `first` up to `end`, in this order. */
static void assert_holds(const struct failures *f, size_t first, size_t end)
{
	_cleanup_buf_ struct buf b = {0};
	const char *line;

	print(f, &b);
	line = b.data;
	cr_assert_eq(count_lines(line), end - first);
	for (size_t i = first; i < end; i++) {
		char expected[80];

		snprintf(expected, sizeof(expected), " /%zu EIO sentence %zu\n", i, i);
		line = strchr(line, ' ');
		cr_assert_eq(strncmp(line, expected, strlen(expected)), 0, "%zu: %s", i, line);
		line += strlen(expected);
	}
}

static void add_numbered(struct failures *f, size_t i)
{
	char path[20], text[40];

	snprintf(path, sizeof(path), "/%zu", i);
	snprintf(text, sizeof(text), "sentence %zu", i);
	add(f, path, EIO, text);
}

Test(failures, the_last_64_are_kept_oldest_first, .init = support_init)
{
	struct failures f = {0};

	for (size_t i = 0; i < 3 * FAILURES_KEPT + 5; i++) {
		add_numbered(&f, i);
		assert_holds(&f, i < FAILURES_KEPT ? 0 : i + 1 - FAILURES_KEPT, i + 1);
	}
	cr_assert_eq(FAILURES_KEPT, 64);
	cr_assert_eq(f.count, 3 * FAILURES_KEPT + 5);
	failures_fini(&f);
}

Test(failures, what_is_added_is_copied, .init = support_init)
{
	struct failures f = {0};
	_cleanup_buf_ struct buf b = {0};
	char path[] = "/x";
	struct err err = {0};

	err_set(&err, EIO, "y");
	failures_add(&f, &(struct failure){.path = path}, &err);
	err_set(&err, EBUSY, "z");
	path[1] = 'y';
	print(&f, &b);
	cr_assert_str_eq(b.data + 21, "/x EIO y\n");
	failures_fini(&f);
	failures_fini(&f);
}

static void add_of(struct failures *f, uid_t uid, size_t count)
{
	struct err err = {0};

	err_set(&err, EIO, "x");
	for (size_t i = 0; i < count; i++)
		failures_add(f, &(struct failure){.uid = uid, .path = (char *)"/x"}, &err);
}

static size_t kept_of(const struct failures *f, uid_t uid)
{
	size_t n = 0;

	for (size_t i = 0; i < f->kept; i++)
		n += f->rows[i].uid == uid;
	return n;
}

Test(failures, those_of_one_uid_do_not_push_out_those_of_others, .init = support_init)
{
	struct failures f = {0};

	add_of(&f, 1, 10);
	add_of(&f, 2, 5000);
	cr_assert_eq(kept_of(&f, 1), 10);
	cr_assert_eq(kept_of(&f, 2), FAILURES_KEPT - 10);
	add_of(&f, 3, 40);
	cr_assert_eq(kept_of(&f, 1), 10);
	cr_assert_eq(kept_of(&f, 2), kept_of(&f, 3));
	failures_fini(&f);
}

static bool is_of(void *arg, const struct failure *row)
{
	return row->uid == *(uid_t *)arg;
}

Test(failures, only_rows_that_may_be_shown_are_printed, .init = support_init)
{
	struct failures f = {0};
	_cleanup_buf_ struct buf b = {0};
	uid_t uid = 7;

	add_of(&f, 1, 3);
	add_of(&f, 7, 2);
	failures_print(&f, is_of, &uid, &b);
	cr_assert_eq(count_lines(b.data), 2);
	failures_fini(&f);
}
