// SPDX-License-Identifier: Apache-2.0
/* The system calls that the fuzzer makes: a table. Nothing here waits for what may never come. */

#include "fs_fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define RENAME_FLAGS 8

static sigjmp_buf fault;

static const char *const attributes[] = {"user.vault.path",
					 "user.vault.version",
					 "user.vault.type",
					 "user.vault.cas",
					 "user.vault.max_versions",
					 "user.vault.cas_required",
					 "user.vault.meta.a",
					 "user.vault.meta.vaultfs.b64.x",
					 "user.vault.meta.",
					 "user.vault.state",
					 "user.vault.age",
					 "user.nothing",
					 "security.capability",
					 "system.posix_acl_access",
					 "trusted.x",
					 "user.vault.delete_version_after"};
static const char *const texts[] = {"",
				    "x",
				    "1",
				    "0",
				    "true",
				    "number",
				    "null\n",
				    "{\"a\": 1}",
				    "{\"f0\": \"1\", \"f1\": 2}",
				    "{\"max_versions\": 3}",
				    "\xff\xfe\x00zz",
				    "18446744073709551616",
				    "-1",
				    "[[[[[[[[[[[[]]]]]]]]]]]]",
				    "{\"f0\": {\"deep\": [1, 2, {\"x\": null}]}}",
				    "90m"};

/* Any outcome is right. */
static void ignore(ssize_t result)
{
	(void)result;
}

static size_t some(void)
{
	static const size_t sizes[] = {0, 1, 2, 7, 100, 4095, 4096, 4097, 65536};

	return PICK(sizes);
}

static off_t some_offset(void)
{
	static const off_t offsets[] = {0,	 1,	  5,	     4096,	65535,
					1 << 20, 1 << 21, INT32_MAX, INT64_MAX, -1};

	return PICK(offsets);
}

static size_t fill(void)
{
	const char *text = PICK(texts);
	size_t len = strlen(text);

	if (roll(8) == 0) {
		len = some();
		memset(me.bytes, 'a' + (int)roll(26), len);
		return len;
	}
	memcpy(me.bytes, text, len);
	return len;
}

static int *any_fd(void)
{
	return &me.fds[roll(FDS)];
}

static int some_flags(void)
{
	static const int access[] = {O_RDONLY, O_RDONLY, O_WRONLY, O_RDWR, O_ACCMODE};
	static const int more[] = {O_CREAT,    O_EXCL,	    O_TRUNC, O_APPEND,	O_SYNC,	  O_DIRECT,
				   O_NOFOLLOW, O_DIRECTORY, O_PATH,  O_TMPFILE, O_NOATIME};
	int flags = PICK(access) | O_NONBLOCK | O_CLOEXEC;

	while (roll(2))
		flags |= PICK(more);
	return flags;
}

static void do_open(void)
{
	static const mode_t modes[] = {0600, 0644, 0, 07777};
	int *fd = any_fd();

	if (*fd >= 0)
		close(*fd);
	*fd = open(me.path, some_flags(), PICK(modes));
}

static void do_save(void)
{
	int fd = open(me.path, O_WRONLY | O_CREAT | (roll(2) ? O_TRUNC : O_APPEND) | O_NONBLOCK,
		      0600);

	if (fd < 0)
		return;
	ignore(write(fd, me.bytes, fill()));
	if (roll(4) == 0)
		fsync(fd);
	close(fd);
}

static void do_read(void)
{
	int fd = *any_fd();
	struct pollfd p = {.fd = fd, .events = POLLIN};

	/* A read of .vault/events waits, unless it was opened otherwise. */
	if (poll(&p, 1, 0) == 1)
		check_read(roll(2) ? read(fd, me.bytes, some())
				   : pread(fd, me.bytes, some(), some_offset()));
}

static void do_cat(void)
{
	int fd = open(me.path, O_RDONLY | O_NONBLOCK);

	if (fd < 0)
		return;
	check_read(read(fd, me.bytes, sizeof(me.bytes)));
	close(fd);
}

static void do_write(void)
{
	size_t len = fill();
	ssize_t n = roll(3) ? write(*any_fd(), me.bytes, len)
			    : pwrite(*any_fd(), me.bytes, len, roll(2) ? 0 : some_offset());

	ignore(n);
}

static void do_seek(void)
{
	static const int whence[] = {SEEK_SET, SEEK_CUR, SEEK_END, SEEK_DATA, SEEK_HOLE, 99};

	lseek(*any_fd(), some_offset(), PICK(whence));
}

static void do_ftruncate(void)
{
	ignore(ftruncate(*any_fd(), some_offset()));
}

static void do_truncate(void)
{
	ignore(truncate(me.path, roll(2) ? 0 : some_offset()));
}

static void do_sync(void)
{
	int fd = *any_fd();

	if (roll(2))
		fsync(fd);
	else
		fdatasync(fd);
}

static void do_close(void)
{
	int *fd = any_fd();

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void do_dup(void)
{
	int *to = any_fd();

	if (*to >= 0)
		close(*to);
	*to = dup(*any_fd());
}

static void do_stat(void)
{
	struct statx sx;
	struct statvfs vfs;
	struct stat st;

	switch (roll(5)) {
	case 0:
		fstat(*any_fd(), &st);
		break;
	case 1:
		statvfs(me.path, &vfs);
		break;
	case 2:
		statx(AT_FDCWD, me.path, AT_STATX_FORCE_SYNC, STATX_ALL, &sx);
		break;
	default:
		lstat(me.path, &st);
	}
}

static void do_access(void)
{
	ignore(faccessat(AT_FDCWD, me.path, (int)roll(8), roll(2) ? AT_EACCESS : 0));
}

static void do_list(void)
{
	DIR *d = opendir(me.path);

	if (!d)
		return;
	for (int i = 0; i < 300; i++) {
		const struct dirent *e = readdir(d);

		if (!e)
			break;
		if (roll(50) == 0)
			seekdir(d, (long)roll(20));
	}
	closedir(d);
}

static void do_unlink(void)
{
	unlink(me.path);
}

static void do_mkdir(void)
{
	mkdir(me.path, 0700);
}

static void do_rmdir(void)
{
	rmdir(me.path);
}

static void do_rename(void)
{
	make_path(me.path2);
	if (roll(3))
		rename(me.path, me.path2);
	else
		syscall(SYS_renameat2, AT_FDCWD, me.path, AT_FDCWD, me.path2, roll(RENAME_FLAGS));
}

static void do_link(void)
{
	make_path(me.path2);
	switch (roll(4)) {
	case 0:
		ignore(link(me.path, me.path2));
		break;
	case 1:
		ignore(symlink(me.path, me.path2));
		break;
	case 2:
		check_read(readlink(me.path, me.bytes, sizeof(me.bytes)));
		break;
	default:
		mknod(me.path, PICK(((mode_t[]){S_IFREG, S_IFIFO, S_IFSOCK, S_IFCHR})) | 0600,
		      makedev(1, 3));
	}
}

static void do_attributes(void)
{
	const char *name = PICK(attributes);
	int fd = *any_fd();

	switch (roll(8)) {
	case 0:
		check_read(listxattr(me.path, me.bytes, some()));
		break;
	case 1:
		removexattr(me.path, name);
		break;
	case 2:
		fsetxattr(fd, name, me.bytes, fill(), (int)roll(3));
		break;
	case 3:
		check_read(fgetxattr(fd, name, me.bytes, some()));
		break;
	case 4:
	case 5:
		check_read(getxattr(me.path, name, me.bytes, sizeof(me.bytes) / 2));
		break;
	default:
		setxattr(me.path, name, me.bytes, fill(), (int)roll(4));
	}
}

static void do_owner(void)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_sec = (time_t)roll(1u << 31)}};

	switch (roll(4)) {
	case 0:
		chmod(me.path, (mode_t)roll(010000));
		break;
	case 1:
		ignore(chown(me.path, (uid_t)roll(3), (gid_t)-1));
		break;
	case 2:
		futimens(*any_fd(), times);
		break;
	default:
		utimensat(AT_FDCWD, me.path, times, AT_SYMLINK_NOFOLLOW);
	}
}

static void do_lock(void)
{
	struct flock l = {.l_type = PICK(((short[]){F_RDLCK, F_WRLCK, F_UNLCK}))};

	if (roll(2))
		flock(*any_fd(), PICK(((int[]){LOCK_SH, LOCK_EX, LOCK_UN})) | LOCK_NB);
	else
		fcntl(*any_fd(), F_SETLK, &l);
}

static void do_copy(void)
{
	int from = *any_fd(), to = *any_fd();
	struct pollfd p = {.fd = from, .events = POLLIN};
	off_t zero = 0;

	if (poll(&p, 1, 0) != 1)
		return;
	/* Not from what others may not read to what they may: a user has only what it could open. */
	if (me.is_root)
		return;
	if (roll(2))
		sendfile(to, from, &zero, some());
	else
		syscall(SYS_copy_file_range, from, NULL, to, NULL, some(), 0);
}

static void do_allocate(void)
{
	fallocate(*any_fd(), (int)roll(4), 0, roll(2) ? 100 : some_offset());
}

static void do_map(void)
{
	int fd = *any_fd();
	char *at = mmap(NULL, 8192, PROT_READ, roll(2) ? MAP_PRIVATE : MAP_SHARED, fd, 0);

	if (at == MAP_FAILED)
		return;
	if (sigsetjmp(fault, 1) == 0) {
		memcpy(me.bytes, at, 4096);
		check_read(4096);
	}
	munmap(at, 8192);
}

static void do_watch(void)
{
	static int queue = -1;

	if (queue < 0)
		queue = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	inotify_add_watch(queue, me.path, IN_ALL_EVENTS);
	if (read(queue, me.bytes, sizeof(me.bytes)) < 0 && roll(50) == 0) {
		close(queue);
		queue = -1;
	}
}

static void do_order(void)
{
	int number = 0;

	ioctl(*any_fd(), roll(2) ? FIONREAD : FIOCLEX, &number);
	syncfs(*any_fd());
}

/* A program that is killed with what it wrote still open. */
static void do_killed(void)
{
	pid_t child = fork();

	if (child == 0) {
		do_open();
		do_write();
		raise(SIGKILL);
	}
	if (child > 0)
		waitpid(child, NULL, 0);
}

const struct call calls[] = {{"open", do_open, 20},
			     {"save", do_save, 12},
			     {"read", do_read, 14},
			     {"cat", do_cat, 14},
			     {"write", do_write, 14},
			     {"seek", do_seek, 3},
			     {"ftruncate", do_ftruncate, 5},
			     {"truncate", do_truncate, 4},
			     {"sync", do_sync, 5},
			     {"close", do_close, 14},
			     {"dup", do_dup, 2},
			     {"stat", do_stat, 14},
			     {"access", do_access, 4},
			     {"list", do_list, 6},
			     {"unlink", do_unlink, 4},
			     {"mkdir", do_mkdir, 4},
			     {"rmdir", do_rmdir, 2},
			     {"rename", do_rename, 10},
			     {"link", do_link, 3},
			     {"attributes", do_attributes, 10},
			     {"owner", do_owner, 4},
			     {"lock", do_lock, 2},
			     {"copy", do_copy, 3},
			     {"allocate", do_allocate, 2},
			     {"map", do_map, 3},
			     {"watch", do_watch, 2},
			     {"order", do_order, 1},
			     {"killed", do_killed, 1}};

const size_t call_count = COUNT(calls);

static void on_fault(int signal)
{
	siglongjmp(fault, signal);
}

void calls_init(void)
{
	signal(SIGBUS, on_fault);
	for (size_t i = 0; i < FDS; i++)
		me.fds[i] = -1;
}
