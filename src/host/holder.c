// SPDX-License-Identifier: Apache-2.0
/* Reading /proc/PID/fdinfo and /proc/PID/task/TID/children.
 *
 * FLUSH does not say whether a descriptor is the last of its file. RELEASE does, but comes after
 * close(2) has returned. The table of descriptors says it in time: the kernel removes a descriptor
 * from it before it sends FLUSH. Files are told apart by inode numbers: a stat(2) of /proc/PID/fd
 * would be a request to ourselves. */

#include "host/holder.h"

#include "base/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DESCRIPTORS_MAX 4096
#define FAMILY_MAX	64
#define GENERATIONS_MAX 64

static void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}
#define _cleanup_dir_ _cleanup_(close_dir)

/* Reads the beginning of a file as a string; its length or -errno. */
static ssize_t read_start(int dir, const char *name, char *text, size_t room)
{
	_cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, room - 1);

	if (n < 0)
		return -errno;
	text[n] = '\0';
	return n;
}

static enum holding holds(int dir, const char *descriptor, uint64_t ino)
{
	char text[512];
	const char *flags_at, *ino_at;
	unsigned flags;
	uint64_t found;
	ssize_t n = read_start(dir, descriptor, text, sizeof(text));

	if (n < 0)
		return n == -ENOENT ? HOLDING_NO : HOLDING_UNKNOWN;
	flags_at = strstr(text, "flags:");
	ino_at = strstr(text, "\nino:");
	if (!flags_at || !ino_at || sscanf(flags_at, "flags: %o", &flags) != 1 ||
	    sscanf(ino_at, "\nino: %" SCNu64, &found) != 1)
		return HOLDING_UNKNOWN;
	return found == ino && (flags & O_ACCMODE) != O_RDONLY ? HOLDING_YES : HOLDING_NO;
}

enum holding holder_process(pid_t process, uint64_t ino)
{
	enum holding result = HOLDING_NO;
	_cleanup_dir_ DIR *dir = NULL;
	struct dirent *entry;
	char path[64];
	size_t seen = 0;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo", (int)process);
	dir = process > 0 ? opendir(path) : NULL;
	if (!dir)
		return process > 0 && (errno == ENOENT || errno == ESRCH) ? HOLDING_NO
									  : HOLDING_UNKNOWN;
	while ((entry = readdir(dir))) {
		enum holding one;

		if (entry->d_name[0] == '.')
			continue;
		if (seen++ == DESCRIPTORS_MAX)
			return HOLDING_UNKNOWN;
		one = holds(dirfd(dir), entry->d_name, ino);
		if (one == HOLDING_YES)
			return one;
		if (one == HOLDING_UNKNOWN)
			result = one;
	}
	return result;
}

struct family {
	pid_t members[FAMILY_MAX];
	size_t count;
	bool whole;
};

static void add_children(struct family *f, int task, const char *thread)
{
	char path[64], text[4096], *p = text, *end;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/children", thread);
	n = read_start(task, path, text, sizeof(text));
	if (n < 0 || (size_t)n == sizeof(text) - 1)
		f->whole = false;
	if (n <= 0)
		return;
	for (long pid = strtol(p, &end, 10); end != p; pid = strtol(p, &end, 10)) {
		p = end;
		if (f->count == FAMILY_MAX) {
			f->whole = false;
			return;
		}
		f->members[f->count++] = (pid_t)pid;
	}
}

static void add_children_of(struct family *f, pid_t process)
{
	_cleanup_dir_ DIR *dir = NULL;
	struct dirent *entry;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task", (int)process);
	dir = opendir(path);
	if (!dir)
		return; /* it is gone */
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			add_children(f, dirfd(dir), entry->d_name);
}

enum holding holder_family(pid_t process, uint64_t ino)
{
	struct family f = {.members = {process}, .count = 1, .whole = true};
	bool unknown = false;

	for (size_t i = 0; i < f.count; i++) {
		enum holding one = holder_process(f.members[i], ino);

		if (one == HOLDING_YES)
			return one;
		unknown |= one == HOLDING_UNKNOWN;
		if (process > 0)
			add_children_of(&f, f.members[i]);
	}
	return unknown || !f.whole ? HOLDING_UNKNOWN : HOLDING_NO;
}

static pid_t parent_of(pid_t process)
{
	char path[64], text[1024];
	const char *line;
	int parent;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)process);
	if (read_start(AT_FDCWD, path, text, sizeof(text)) <= 0)
		return 0;
	line = strstr(text, "\nPPid:");
	return line && sscanf(line, "\nPPid: %d", &parent) == 1 ? parent : 0;
}

int holder_generations(pid_t process, pid_t ancestor)
{
	for (int n = 0; n < GENERATIONS_MAX && process > 0; n++) {
		if (process == ancestor)
			return n;
		process = parent_of(process);
	}
	return -1;
}
