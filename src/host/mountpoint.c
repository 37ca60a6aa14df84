// SPDX-License-Identifier: Apache-2.0
/* Directories to mount on, and the mounts on them, by /proc/self/mountinfo (proc(5)). */

#include "host/mountpoint.h"

#include "host/child.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>

#define OUR_TYPE "fuse.vaultfs"

#define BUSY_TRIES 50 /* of 20 ms */

/* mountinfo writes blanks and backslashes in octal. */
static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (*s == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] && s[3]) {
			*to++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
}

/* "36 35 98:0 /root /mnt/point rw shared:1 - type source options". */
static bool is_ours(char *line, const char *dir)
{
	char *fields = line, *point = NULL, *type = strstr(line, " - ");

	for (int i = 0; i < 5; i++)
		point = strsep(&fields, " ");
	if (!point || !type)
		return false;
	unescape(point);
	type += 3;
	return !strcmp(point, dir) && !strncmp(type, OUR_TYPE " ", strlen(OUR_TYPE) + 1);
}

/* Works even if the path does not answer, as with a dead mount. */
static bool is_mounted(const char *dir)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t room = 0;
	bool found = false;

	while (f && !found && getline(&line, &room, f) > 0)
		found = is_ours(line, dir);
	if (f)
		fclose(f);
	free(line);
	return found;
}

/* For users other than root. */
static int run_fusermount(const char *dir, bool lazy)
{
	const char *const argv[] = {"fusermount3", lazy ? "-uz" : "-u", "--", dir, NULL};
	extern char **environ;
	int status;
	pid_t pid;

	int r = child_spawn(&pid, argv[0], NULL, (char *const *)argv, environ);

	if (r < 0)
		return r;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EBUSY;
}

static int unmount(const char *dir, bool lazy)
{
	if (umount2(dir, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) == 0)
		return 0;
	if (errno != EPERM)
		return -errno;
	return run_fusermount(dir, lazy);
}

/* The directory's path without links. A dead mount does not answer, so its parent is resolved
 * instead. */
static char *resolve(const char *dir)
{
	_cleanup_free_ char *copy = strdup(dir), *parent = NULL;
	char *slash, *out, *whole = realpath(dir, NULL);

	if (whole || !copy || !*dir)
		return whole;
	for (size_t n = strlen(copy); n > 1 && copy[n - 1] == '/'; n--)
		copy[n - 1] = '\0';
	slash = strrchr(copy, '/');
	if (slash)
		*slash = '\0';
	parent = realpath(slash ? (slash == copy ? "/" : copy) : ".", NULL);
	if (!parent ||
	    asprintf(&out, "%s%s%s", parent, parent[1] ? "/" : "", slash ? slash + 1 : copy) < 0)
		return NULL;
	return out;
}

static int check_empty(const char *dir, struct err *err)
{
	DIR *d = opendir(dir);
	const struct dirent *e;
	bool empty = true;

	if (!d)
		return err_set(err, errno, "cannot read %s: %s", dir, strerror(errno));
	while (empty && (e = readdir(d)))
		empty = !strcmp(e->d_name, ".") || !strcmp(e->d_name, "..");
	closedir(d);
	return empty ? 0 : err_set(err, ENOTEMPTY, "%s is not empty", dir);
}

/* Whether mountpoint_make() could make it. A dangling link is refused: it names another place. */
static int check_missing(const char *dir, const char *path, struct err *err)
{
	_cleanup_free_ char *parent = strdup(path);
	struct stat st;

	if (!parent)
		return err_set(err, ENOMEM, "no memory");
	if (lstat(path, &st) == 0)
		return err_set(err, ENOENT, "%s does not exist: make it first (mkdir)", dir);
	*strrchr(parent, '/') = '\0';
	if (faccessat(AT_FDCWD, *parent ? parent : "/", W_OK | X_OK, AT_EACCESS) < 0)
		return err_set(err, errno, "%s does not exist, and cannot be made: %s", dir,
			       strerror(errno));
	return 0;
}

int mountpoint_check(const char *dir, char **absolute, struct err *err)
{
	_cleanup_free_ char *path = resolve(dir);
	struct statfs fs;
	struct stat st;
	int r;

	if (!path)
		return err_set(err, ENOENT, "%s does not exist: make it first (mkdir)", dir);
	/* Not stat(2), which the kernel may still answer from its cache. */
	if (statfs(path, &fs) < 0 && errno == ENOTCONN && is_mounted(path)) {
		r = unmount(path, true);
		if (r < 0)
			return err_set(err, -r, "%s is a dead mount, and cannot be cleared: %s",
				       dir, strerror(-r));
	}
	if (stat(path, &st) < 0) {
		r = errno == ENOENT ? check_missing(dir, path, err)
				    : err_set(err, errno, "cannot use %s", dir);
		if (r == 0)
			*absolute = steal(path);
		return r;
	}
	if (!S_ISDIR(st.st_mode))
		return err_set(err, ENOTDIR, "%s is no directory", dir);
	if (is_mounted(path))
		return err_set(err, EBUSY, "%s is mounted already (vaultfs umount %s)", dir, dir);
	r = check_empty(path, err);
	if (r < 0)
		return r;
	*absolute = steal(path);
	return 0;
}

int mountpoint_make(const char *dir, bool *made, struct err *err)
{
	*made = mkdir(dir, 0755) == 0;
	if (*made || errno == EEXIST)
		return 0;
	return err_set(err, errno, "cannot make %s: %s", dir, strerror(errno));
}

int mountpoint_clear(const char *dir, struct err *err)
{
	_cleanup_free_ char *path = resolve(dir);
	int r;

	if (!path || !is_mounted(path))
		return err_set(err, EINVAL, "%s is no mount of vaultfs", dir);
	/* Just after a write, the daemon's own helper may keep it busy. */
	for (unsigned tries = 0;; tries++) {
		r = unmount(path, false);
		if (r != -EBUSY || tries == BUSY_TRIES)
			break;
		nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
	}
	if (r == -EBUSY)
		return err_set(err, EBUSY, "%s is in use (lsof +f -- %s tells by whom)", dir, dir);
	return r < 0 ? err_set(err, -r, "cannot unmount %s: %s", dir, strerror(-r)) : 0;
}

/* Compares the number of the file system, which is the third field. */
static bool is_device_ours(char *line, const char *device)
{
	char *fields = line, *number = NULL, *type = strstr(line, " - ");

	for (int i = 0; i < 3; i++)
		number = strsep(&fields, " ");
	return number && type && !strcmp(number, device) &&
	       !strncmp(type + 3, OUR_TYPE " ", strlen(OUR_TYPE) + 1);
}

bool mountpoint_holds(const char *path)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char *line = NULL, device[32];
	size_t room = 0;
	bool found = false;
	struct stat st;

	if (f && stat(path, &st) == 0) {
		snprintf(device, sizeof(device), "%u:%u", major(st.st_dev), minor(st.st_dev));
		while (!found && getline(&line, &room, f) > 0)
			found = is_device_ours(line, device);
	}
	if (f)
		fclose(f);
	free(line);
	return found;
}

bool mountpoint_answers(const char *dir)
{
	struct statfs fs;
	struct stat st;

	return statfs(dir, &fs) == 0 && fs.f_type == FUSE_SUPER_MAGIC && stat(dir, &st) == 0;
}
