// SPDX-License-Identifier: Apache-2.0
/* The times of a directory: forward alone but by utimes(2), and kept while there is no node for it. */

#include "unit_support.h"

#include "node/dir_times.h"

#define STARTED 1000
#define NOW	5000

TestSuite(dir_times, .timeout = 60);

static int64_t mtime_of(const struct dir_times *d)
{
	struct stat st = {0};

	dir_times_stat(d, STARTED, &st);
	return (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
}

Test(dir_times, without_any_it_is_the_mounts)
{
	struct dir_times d = {0};
	struct stat st = {0};

	cr_assert_eq(mtime_of(&d), STARTED);
	dir_times_stat(&d, STARTED, &st);
	cr_assert_eq(st.st_ctim.tv_nsec, STARTED);
	cr_assert_eq(st.st_atim.tv_nsec, 0, "left to who fills in the rest");
}

Test(dir_times, the_first_version_is_believed_and_later_ones_are_changes)
{
	struct dir_times d = {0};
	struct stat st = {0};

	dir_times_learn(&d, 10, false, NOW);
	cr_assert_eq(mtime_of(&d), 10);
	dir_times_stat(&d, STARTED, &st);
	cr_assert_eq(st.st_ctim.tv_nsec, STARTED, "nothing has happened");
	dir_times_learn(&d, 10, false, NOW);
	cr_assert_eq(mtime_of(&d), 10);
	dir_times_learn(&d, 20, false, NOW);
	cr_assert_eq(mtime_of(&d), 20);
	dir_times_stat(&d, STARTED, &st);
	cr_assert_eq(st.st_ctim.tv_nsec, NOW);
	dir_times_learn(&d, 15, false, NOW);
	cr_assert_eq(mtime_of(&d), 21, "an older version in its place is a change too");
	dir_times_learn(&d, 15, true, NOW);
	cr_assert_eq(mtime_of(&d), NOW, "and so is one that is undeleted");
}

Test(dir_times, names_move_it_forward)
{
	struct dir_times d = {0};

	dir_times_move(&d, NOW);
	cr_assert_eq(mtime_of(&d), NOW);
	dir_times_move(&d, NOW);
	cr_assert_eq(mtime_of(&d), NOW + 1);
	dir_times_learn(&d, 10, false, NOW);
	cr_assert_eq(mtime_of(&d), NOW + 1, "what is learnt of the past moves nothing back");
	dir_times_move(&d, NOW - 100);
	cr_assert_eq(mtime_of(&d), NOW + 2, "nor does a clock that was put back");
}

Test(dir_times, what_is_set_stays_until_something_happens)
{
	struct timespec times[2] = {{.tv_nsec = 7}, {.tv_sec = 9, .tv_nsec = 8}};
	struct dir_times d = {0};
	struct stat st = {0};

	dir_times_set(&d, times, NOW, STARTED);
	dir_times_stat(&d, STARTED, &st);
	cr_assert_eq(st.st_atim.tv_nsec, 7);
	cr_assert_eq(st.st_mtim.tv_sec, 9);
	cr_assert_eq(st.st_mtim.tv_nsec, 8);
	cr_assert_eq(st.st_ctim.tv_nsec, NOW);
	dir_times_learn(&d, 10, false, NOW);
	cr_assert_eq(mtime_of(&d), INT64_C(9000000008), "the version was there all along");
	dir_times_move(&d, NOW);
	cr_assert_eq(mtime_of(&d), NOW, "though it was later");
}

Test(dir_times, one_of_the_two_is_set_alone)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_OMIT}};
	struct dir_times d = {0};
	struct stat st = {0};

	dir_times_set(&d, times, NOW, STARTED);
	dir_times_stat(&d, STARTED, &st);
	cr_assert_eq(st.st_atim.tv_nsec, NOW);
	cr_assert_eq(st.st_mtim.tv_nsec, STARTED);
	cr_assert_not(d.known);
	times[0].tv_nsec = UTIME_OMIT;
	d = (struct dir_times){0};
	dir_times_set(&d, times, NOW, STARTED);
	cr_assert_not(d.known || d.changed || d.read, "chmod(2) sets none");
}

Test(dir_times, so_many_outlive_their_nodes)
{
	struct times_row *rows = NULL;
	struct dir_times d = {.known = true};

	for (uint64_t ino = 1; ino <= 5000; ino++) {
		d.modified = (int64_t)ino;
		dir_times_keep(&rows, ino, &d);
	}
	cr_assert_not(dir_times_take(&rows, 1).known, "the oldest went first");
	cr_assert_eq(dir_times_take(&rows, 5000).modified, 5000);
	cr_assert_not(dir_times_take(&rows, 5000).known, "they were taken");
	d.modified = 1;
	dir_times_keep(&rows, 4999, &d);
	cr_assert_eq(dir_times_take(&rows, 4999).modified, 1);
	dir_times_drop_all(&rows);
	cr_assert_null(rows);
}
