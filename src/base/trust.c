// SPDX-License-Identifier: Apache-2.0
/* Decides whether a file may say who we are.
 *
 * If another user can write our store, token or configuration, we serve his secrets as ours, or send ours
 * to him. So the owner and the mode are checked, on the descriptor that is read: the name may lead
 * elsewhere a moment later. Symlinks are followed: Kubernetes hands out tokens through them. Others may
 * read the file: a CA certificate is public. */

#include "base/trust.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OTHERS (S_IWGRP | S_IWOTH)

int trust_descriptor(const char *path)
{
	static const char *const folders[] = {"/dev/fd/", "/proc/self/fd/"};

	if (!strcmp(path, "-") || !strcmp(path, "/dev/stdin"))
		return STDIN_FILENO;
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		size_t len = strlen(folders[i]);

		if (!strncmp(path, folders[i], len) && path[len] && strlen(path + len) < 8 &&
		    strspn(path + len, "0123456789") == strlen(path + len))
			return atoi(path + len);
	}
	return -1;
}

static bool is_ours(const struct stat *st)
{
	return st->st_uid == 0 || st->st_uid == geteuid();
}

static int judge(const struct stat *st, struct err *err)
{
	if (S_ISCHR(st->st_mode) && st->st_uid == 0)
		return 0; /* /dev/null has mode 0666 */
	if (!is_ours(st))
		return err_set(err, EPERM,
			       "it belongs to uid %u, who could change it at any time: chown it to "
			       "uid %u, or use a copy of your own",
			       (unsigned)st->st_uid, (unsigned)geteuid());
	if (!S_ISLNK(st->st_mode) && (st->st_mode & OTHERS))
		return err_set(err, EPERM, "others may write it (mode %04o): chmod go-w it",
			       (unsigned)st->st_mode & 07777);
	return 0;
}

int trust_open(const char *path, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), r;
	struct stat st;

	if (fd < 0)
		return err_set(err, errno, "%s", strerror(errno));
	if (trust_descriptor(path) >= 0)
		return fd;
	r = fstat(fd, &st) < 0 ? err_set(err, errno, "%s", strerror(errno)) : judge(&st, err);
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

/* O_PATH: closing an ordinary descriptor of a database would drop the locks that SQLite has on it. */
static int look(const char *path, int flags, bool folder, struct err *err)
{
	_cleanup_close_ int fd = open(path, O_PATH | O_CLOEXEC | flags);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(err, errno, "%s: %s", path, strerror(errno));
	if (!folder)
		return judge(&st, err) < 0 ? err_prefix(err, "%s", path), -EPERM : 0;
	if (!(st.st_mode & S_IWOTH) || (st.st_mode & S_ISVTX))
		return 0;
	return err_set(err, EPERM,
		       "everybody may put another file in its place: chmod o-w the folder %s, or "
		       "use one of your own",
		       path);
}

int trust_look(const char *path, struct err *err)
{
	return trust_descriptor(path) >= 0 ? 0 : look(path, 0, false, err);
}

int trust_look_beside(const char *path, const char *suffix, struct err *err)
{
	_cleanup_free_ char *name = NULL;
	struct err why = {0};
	int r;

	if (asprintf(&name, "%s%s", path, suffix) < 0)
		return err_set(err, ENOMEM, "no memory");
	r = look(name, O_NOFOLLOW, false, &why);
	if (r == -ENOENT)
		return 0;
	return r < 0 ? err_set(err, -r, "%s", err_text(&why)) : 0;
}

int trust_folder_of(const char *path, struct err *err)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *dir =
		slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");

	return dir ? look(dir, O_DIRECTORY, true, err) : err_set(err, ENOMEM, "no memory");
}
