// SPDX-License-Identifier: Apache-2.0
/* Where to mount: an empty directory that is there, as a path without links; and for all else a
 * sentence that names what the user has written and says what is wrong with it. Mounts themselves are
 * tested in tests/system. */

#include "unit_support.h"

#include "host/mountpoint.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(mountpoint, .fini = support_fini, .timeout = 120);

static char *make_dir(const char *name)
{
	char *path = support_path(name);

	cr_assert_eq(mkdir(path, 0700), 0);
	return path;
}

static void assert_refused(const char *dir, int code, const char *expected)
{
	char *absolute = NULL;
	struct err err = {0};

	cr_assert_eq(mountpoint_check(dir, &absolute, &err), -code, "%s: %s", dir, err_text(&err));
	cr_assert_eq(err.code, code);
	cr_assert_null(absolute);
	cr_assert_not_null(strstr(err_text(&err), dir), "%s is not named: %s", dir, err_text(&err));
	cr_assert_not_null(strstr(err_text(&err), expected), "%s", err_text(&err));
}

Test(mountpoint, an_empty_directory_is_fine)
{
	_cleanup_free_ char *dir = make_dir("empty"), *absolute = NULL;
	struct err err = {0};

	cr_assert_eq(mountpoint_check(dir, &absolute, &err), 0, "%s", err_text(&err));
	cr_assert_str_eq(absolute, dir);
}

Test(mountpoint, the_path_is_absolute_and_without_links)
{
	_cleanup_free_ char *dir = make_dir("empty"), *link = support_path("link");
	static const char *const ways[] = {"empty",	  "./empty/", "empty//",
					   "../%s/empty", "link",     "link/"};

	cr_assert_eq(symlink(dir, link), 0);
	cr_assert_eq(chdir(support_dir()), 0);
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		_cleanup_free_ char *absolute = NULL, *way = NULL;

		if (strstr(ways[i], "%s"))
			cr_assert_gt(asprintf(&way, "../%s/empty", strrchr(support_dir(), '/') + 1),
				     0);
		else
			way = strdup(ways[i]);
		cr_assert_eq(mountpoint_check(way, &absolute, NULL), 0, "%s", way);
		cr_assert_str_eq(absolute, dir);
	}
}

Test(mountpoint, a_missing_one_is_made_when_it_is_mounted)
{
	_cleanup_free_ char *missing = support_path("missing");
	static const char *const ways[] = {"missing", "missing/", "./missing//"};
	struct err err = {0};
	struct stat st;
	bool made;

	cr_assert_eq(chdir(support_dir()), 0);
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		_cleanup_free_ char *absolute = NULL;

		cr_assert_eq(mountpoint_check(ways[i], &absolute, &err), 0, "%s", err_text(&err));
		cr_assert_str_eq(absolute, missing);
		cr_assert_neq(stat(missing, &st), 0, "a check makes nothing");
	}
	cr_assert_eq(mountpoint_make(missing, &made, &err), 0, "%s", err_text(&err));
	cr_assert(made);
	cr_assert_eq(stat(missing, &st), 0);
	cr_assert(S_ISDIR(st.st_mode));
	cr_assert_eq(mountpoint_make(missing, &made, &err), 0, "%s", err_text(&err));
	cr_assert_not(made, "it was there");
}

Test(mountpoint, one_whose_parent_is_missing_is_to_be_made_first)
{
	_cleanup_free_ char *deep = support_path("no/such/dir"), *up = support_path("no/..");
	struct err err = {0};
	bool made = true;

	assert_refused(deep, ENOENT, "does not exist: make it first (mkdir)");
	assert_refused(up, ENOENT, "does not exist: make it first (mkdir)");
	cr_assert_eq(mountpoint_make(deep, &made, &err), -ENOENT);
	cr_assert_not(made);
}

Test(mountpoint, one_that_cannot_be_made_says_why)
{
	struct err err = {0};
	uid_t before = geteuid();
	bool made = true;

	cr_assert(before != 0 || seteuid(65534) == 0);
	assert_refused("/vaultfs-missing", EACCES, "cannot be made");
	cr_assert_eq(seteuid(before), 0);
	cr_assert_lt(mountpoint_make("/proc/missing", &made, &err), 0);
	cr_assert_not(made);
	cr_assert_not_null(strstr(err_text(&err), "cannot make /proc/missing"), "%s",
			   err_text(&err));
}

Test(mountpoint, a_link_to_nowhere_does_not_exist)
{
	_cleanup_free_ char *link = support_path("link");

	cr_assert_eq(symlink("/nowhere/at/all", link), 0);
	assert_refused(link, ENOENT, "does not exist");
}

Test(mountpoint, a_file_is_no_directory)
{
	_cleanup_free_ char *file = support_file("file", "x", 1);

	assert_refused(file, ENOTDIR, "is no directory");
}

Test(mountpoint, what_is_in_a_directory_is_not_covered_up)
{
	_cleanup_free_ char *dir = make_dir("full"), *hidden = make_dir("hidden");

	free(support_file("full/x", "", 0));
	free(support_file("hidden/.x", "", 0));
	assert_refused(dir, ENOTEMPTY, "is not empty");
	assert_refused(hidden, ENOTEMPTY, "is not empty");
}

/* Were it the directory that we are in, a slip in a script would cover that. */
Test(mountpoint, the_empty_name_is_no_directory)
{
	_cleanup_free_ char *dir = make_dir("empty"), *absolute = NULL;

	cr_assert_eq(chdir(dir), 0);
	cr_assert_eq(mountpoint_check("", &absolute, NULL), -ENOENT);
}

Test(mountpoint, nobody_needs_to_ask_why)
{
	_cleanup_free_ char *dir = make_dir("full"), *file = support_file("full/x", "", 0);
	char *absolute = NULL;

	cr_assert_eq(mountpoint_check("/nowhere/at/all", &absolute, NULL), -ENOENT);
	cr_assert_eq(mountpoint_check(file, &absolute, NULL), -ENOTDIR);
	cr_assert_eq(mountpoint_check(dir, &absolute, NULL), -ENOTEMPTY);
	cr_assert_eq(mountpoint_clear(dir, NULL), -EINVAL);
}

Test(mountpoint, only_what_is_a_mount_of_ours_is_unmounted)
{
	_cleanup_free_ char *dir = make_dir("plain");
	static const char *const others[] = {"/proc", "/", "/nowhere/at/all"};
	struct err err = {0};

	cr_assert_eq(mountpoint_clear(dir, &err), -EINVAL);
	cr_assert_not_null(strstr(err_text(&err), "is no mount of vaultfs"), "%s", err_text(&err));
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		cr_assert_eq(mountpoint_clear(others[i], &err), -EINVAL, "%s", others[i]);
	cr_assert_eq(access("/proc/self", F_OK), 0);
}

Test(mountpoint, what_is_no_mount_does_not_answer)
{
	_cleanup_free_ char *dir = make_dir("plain");

	cr_assert_not(mountpoint_answers(dir));
	cr_assert_not(mountpoint_answers("/proc"));
	cr_assert_not(mountpoint_answers("/nowhere/at/all"));
}
