// SPDX-License-Identifier: Apache-2.0
/* Reading /proc/PID/status and /proc/PID/stat. */

#include "host/process.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PF_EXITING 0x4 /* include/linux/sched.h; shown in stat's field 9 */

/* The whole file as a string, heap: with 65536 groups it has 700 KB. NULL if it cannot be read. */
static char *read_whole(pid_t pid, const char *name, size_t *out)
{
	char path[64];
	_cleanup_close_ int fd = -1;
	_cleanup_free_ char *text = NULL;
	size_t len = 0, room = 0;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	do {
		if (room - len < 2048) {
			char *larger = realloc(text, room = room ? room * 2 : 4096);

			if (!larger)
				return NULL;
			text = larger;
		}
		n = read(fd, text + len, room - len - 1);
		if (n < 0)
			return NULL;
		len += (size_t)n;
	} while (n > 0);
	text[len] = '\0';
	*out = len;
	return len ? steal(text) : NULL;
}

static char *read_proc(pid_t pid, const char *name)
{
	size_t len;

	return read_whole(pid, name, &len);
}

char *process_arguments(pid_t pid, size_t *len)
{
	return read_whole(pid, "cmdline", len);
}

/* Most callers are the first thread of their process. One system call answers that; reading the
 * file takes the kernel twenty times as long. */
static bool is_first_thread(pid_t pid)
{
	return pid > 0 && (syscall(SYS_tgkill, pid, pid, 0) == 0 || errno == EPERM);
}

pid_t process_of(pid_t pid)
{
	_cleanup_free_ char *status = NULL;
	const char *line;
	int tgid;

	if (is_first_thread(pid))
		return pid;
	status = pid > 0 ? read_proc(pid, "status") : NULL;
	line = status ? strstr(status, "\nTgid:") : NULL;
	return line && sscanf(line, "\nTgid: %d", &tgid) == 1 ? tgid : pid;
}

bool process_alive(pid_t pid)
{
	return pid > 0 && (kill(pid, 0) == 0 || errno == EPERM);
}

static bool is_exiting_by_signal(pid_t pid)
{
	_cleanup_free_ char *stat = read_proc(pid, "stat");
	unsigned long flags = 0;
	int code = 0, field = 3;
	char *p, *rest;

	if (!stat)
		return false;
	/* The second field is the program's name, which may hold anything. */
	p = strrchr(stat, ')');
	p = p ? strtok_r(p + 1, " ", &rest) : NULL;
	for (; p; p = strtok_r(NULL, " ", &rest), field++) {
		if (field == 9)
			flags = strtoul(p, NULL, 10);
		else if (field == 52)
			code = (int)strtol(p, NULL, 10);
	}
	return (flags & PF_EXITING) && (code & 0x7f);
}

static uint64_t hex_set(const char *status, const char *name)
{
	const char *p = strstr(status, name);

	return p ? strtoull(p + strlen(name), NULL, 16) : 0;
}

/* Whether a pending signal, neither caught, ignored nor blocked, will end the process. */
static bool is_doomed(pid_t pid)
{
	static const int harmless[] = {SIGCHLD, SIGCONT, SIGURG,  SIGWINCH,
				       SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU};
	_cleanup_free_ char *status = read_proc(pid, "status");
	uint64_t deadly;

	if (!status)
		return false;
	deadly = hex_set(status, "\nSigPnd:") | hex_set(status, "\nShdPnd:");
	deadly &= ~(hex_set(status, "\nSigCgt:") | hex_set(status, "\nSigIgn:") |
		    hex_set(status, "\nSigBlk:"));
	for (size_t i = 0; i < ARRAY_SIZE(harmless); i++)
		deadly &= ~(1ull << (harmless[i] - 1));
	return deadly != 0;
}

bool process_killed(pid_t pid)
{
	return pid > 0 && (is_exiting_by_signal(pid) || is_doomed(pid));
}

size_t process_groups(pid_t pid, gid_t **groups)
{
	_cleanup_free_ char *status = pid > 0 ? read_proc(pid, "status") : NULL;
	const char *p = status ? strstr(status, "\nGroups:") : NULL;
	size_t count = 0, room = 0;
	char *end;

	*groups = NULL;
	p = p ? p + strlen("\nGroups:") : "";
	for (;; p = end) {
		p += strspn(p, " \t");
		if (*p < '0' || *p > '9')
			return count;
		if (count == room) {
			gid_t *larger =
				realloc(*groups, (room = room ? room * 2 : 32) * sizeof(gid_t));

			if (!larger)
				return count;
			*groups = larger;
		}
		(*groups)[count++] = (gid_t)strtoul(p, &end, 10);
	}
}

bool process_in_group(pid_t pid, gid_t gid)
{
	_cleanup_free_ gid_t *groups = NULL;
	size_t count = process_groups(pid, &groups);

	for (size_t i = 0; i < count; i++)
		if (groups[i] == gid)
			return true;
	return false;
}

/* A pid, alone in its line. */
static int parse_pid(const char *text, pid_t *pid)
{
	char *end;
	long number;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	number = strtol(text, &end, 10);
	end += strspn(end, " \t\r");
	if (errno || (*end && *end != '\n') || number < 2 || number > INT_MAX)
		return -EINVAL;
	*pid = (pid_t)number;
	return 0;
}

static int read_pid_file(const char *file, pid_t *pid, uid_t *owner)
{
	_cleanup_close_ int fd =
		open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	char text[32] = "";
	struct stat st;

	if (fd < 0)
		return errno == ELOOP ? -EPERM : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || (st.st_uid != 0 && st.st_uid != geteuid()) ||
	    (st.st_mode & (S_IWGRP | S_IWOTH)))
		return -EPERM;
	if (read(fd, text, sizeof(text) - 1) < 0)
		return -errno;
	*owner = st.st_uid;
	return parse_pid(text, pid);
}

/* Compares the real and the saved id, as kill(2) does. */
static bool is_of(pid_t pid, uid_t uid)
{
	_cleanup_free_ char *status = read_proc(pid, "status");
	const char *line = status ? strstr(status, "\nUid:") : NULL;
	unsigned real, effective, saved;

	return line && sscanf(line, "\nUid: %u %u %u", &real, &effective, &saved) == 3 &&
	       (real == uid || saved == uid);
}

int process_signal_file(const char *file, int number)
{
	_cleanup_close_ int fd = -1;
	uid_t owner = 0;
	pid_t pid = 0;
	int r = read_pid_file(file, &pid, &owner);

	if (r < 0)
		return r;
	/* From here on the pidfd is that process or none: check it before signalling it. */
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0)
		return errno == ESRCH ? -ESRCH : -EINVAL; /* EINVAL: it is a thread's number */
	if (owner != 0 && !is_of(pid, owner))
		return -EPERM;
	return syscall(SYS_pidfd_send_signal, fd, number, NULL, 0) < 0 ? -errno : 0;
}

bool process_is_seen(pid_t pid)
{
	_cleanup_free_ char *status = pid > 0 ? read_proc(pid, "status") : NULL;

	return status != NULL;
}

uint64_t process_capabilities(pid_t pid)
{
	_cleanup_free_ char *status = pid > 0 ? read_proc(pid, "status") : NULL;

	return status ? hex_set(status, "\nCapEff:") : 0;
}
