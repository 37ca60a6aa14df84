// SPDX-License-Identifier: Apache-2.0
/* The helper process.
 *
 * Messages are an act, a number and a path; the answer has the number, so that one that comes too late
 * is known for what it is. Paths are resolved beneath the mount's root and never leave the mount.
 *
 * A descriptor of that root that is kept would make every umount(8) fail with EBUSY, and one that is
 * opened for each message those that come just then. Who may mount keeps a copy of the mount instead,
 * that no directory shows: umount(2) does not count it. But the mount does not end before it is closed:
 * that is done as soon as the table of mounts, which poll(2) watches, has it no more. */

#include "fs/helper.h"

#include "base/clock.h"
#include "host/child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define MESSAGE_MAX 8192

#define SET_ROOT (-1)

struct message {
	int what; /* SET_ROOT, or an act */
	uint32_t number;
	char path[MESSAGE_MAX];
};

struct answer {
	uint32_t number;
	int result; /* 0 or -errno */
};
#define MESSAGE_HEAD offsetof(struct message, path)

struct helper {
	pid_t pid;
	int fd;
	uint32_t number;
};

/* Beneath the mount's root, which may have something else mounted on it by now. */
static int open_beneath(int root, const char *path, int flags)
{
	struct open_how how = {.flags = (unsigned)(flags | O_NOFOLLOW | O_CLOEXEC),
			       .resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS};
	int fd = (int)syscall(SYS_openat2, root, *path ? path : ".", &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

static int touch(int root, const char *path)
{
	_cleanup_close_ int fd = open_beneath(root, path, O_WRONLY);
	struct stat st;

	if (fd < 0)
		return fd;
	/* The other is told of the new content by close(2) at least. */
	return fstat(fd, &st) < 0 || ftruncate(fd, st.st_size) < 0 ? -errno : 0;
}

/* The kernel asks for a name that is to be made, however long it might have kept what it knows of it.
 * The answer to that question is what counts: that nothing is made then is as it should be. Nor would
 * it be on a mount that is read-only. */
static int drop(int dir, const char *name)
{
	return mknodat(dir, name, S_IFREG | 0600, 0) < 0 && errno == ENOTCONN ? -errno : 0;
}

/* On a name in its directory. */
static int act_on_name(int root, enum helper_act act, char *path)
{
	char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	_cleanup_close_ int dir = -1;
	int r;

	if (slash)
		*slash = '\0';
	dir = open_beneath(root, slash ? path : "", O_PATH | O_DIRECTORY);
	if (dir < 0)
		return dir;
	if (act == HELPER_DROP)
		return drop(dir, name);
	if (act == HELPER_MAKE)
		r = mknodat(dir, name, S_IFREG | 0600, 0);
	else if (act == HELPER_MKDIR)
		r = mkdirat(dir, name, 0700);
	else
		r = unlinkat(dir, name, act == HELPER_RMDIR ? AT_REMOVEDIR : 0);
	return r < 0 ? -errno : 0;
}

struct root {
	char path[MESSAGE_MAX];
	unsigned major, minor; /* of its device: 0 and 0 is none */
	int kept;	       /* a copy of the mount; -1: none */
	int mounts;	       /* the table of mounts; -1: it is not watched */
};

/* What stands at the mount's place, without a question to who serves it. */
static int open_root(struct root *root, bool is_new)
{
	_cleanup_close_ int dir = open(root->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct statx st;
	int fd;

	if (dir < 0 || statx(dir, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &st) < 0)
		return -errno;
	if (is_new) {
		root->major = st.stx_dev_major;
		root->minor = st.stx_dev_minor;
	}
	/* After an unmount, or below another mount: names there are not ours to make and remove. */
	if (st.stx_dev_major != root->major || st.stx_dev_minor != root->minor)
		return -ESTALE;
	fd = dir;
	dir = -1;
	return fd;
}

static void let_go(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Not where nothing would tell when it is to be closed. */
static void keep(struct root *root)
{
	root->mounts = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	if (root->mounts >= 0)
		root->kept = (int)syscall(SYS_open_tree, AT_FDCWD, root->path,
					  OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (root->kept < 0)
		let_go(&root->mounts);
}

/* Something has been mounted or unmounted. */
static void look_again(struct root *root)
{
	_cleanup_close_ int dir = open_root(root, false);

	if (dir >= 0)
		return;
	let_go(&root->kept);
	let_go(&root->mounts);
}

static int set_root(struct root *root, const char *path)
{
	_cleanup_close_ int dir = -1;

	snprintf(root->path, sizeof(root->path), "%s", path);
	root->major = root->minor = 0;
	dir = open_root(root, true);
	if (dir >= 0)
		keep(root);
	return dir < 0 ? dir : 0;
}

static int act(struct root *root, struct message *m)
{
	_cleanup_close_ int opened = root->kept < 0 ? open_root(root, false) : -1;
	_cleanup_close_ int fd = -1;
	int dir = root->kept < 0 ? opened : root->kept;
	char *path = m->path + 1;
	struct stat st;

	if (dir < 0)
		return dir;
	if (m->what == HELPER_TOUCH)
		return touch(dir, path);
	if (m->what != HELPER_STAT)
		return act_on_name(dir, (enum helper_act)m->what, path);
	fd = open_beneath(dir, path, O_PATH);
	if (fd < 0)
		return fd;
	return fstat(fd, &st) < 0 ? -errno : 0;
}

static void await_message(int fd, struct root *root)
{
	struct pollfd p[] = {{.fd = fd, .events = POLLIN}, {.fd = -1, .events = POLLPRI}};

	do {
		p[0].revents = p[1].revents = 0;
		p[1].fd = root->mounts;
		poll(p, ARRAY_SIZE(p), -1);
		if (p[1].revents)
			look_again(root);
	} while (!p[0].revents);
}

static void serve(int fd, const void *arg)
{
	struct root root = {.kept = -1, .mounts = -1};
	struct message m;

	for (;;) {
		struct answer a = {0};
		ssize_t n;

		await_message(fd, &root);
		n = recv(fd, &m, sizeof(m) - 1, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < (ssize_t)MESSAGE_HEAD)
			_exit(0);
		((char *)&m)[n] = '\0';
		a.number = m.number;
		if (m.what == SET_ROOT)
			a.result = set_root(&root, m.path);
		else
			a.result = act(&root, &m);
		if (send(fd, &a, sizeof(a), MSG_NOSIGNAL) < 0)
			_exit(0);
	}
}

struct helper *helper_new(struct err *err)
{
	struct helper *h = calloc(1, sizeof(*h));

	if (!h) {
		err_set(err, ENOMEM, "no memory");
		return NULL;
	}
	h->pid = child_fork("vaultfs-notice", SIGKILL, serve, NULL, &h->fd, err);
	if (h->pid > 0)
		return h;
	free(h);
	return NULL;
}

void helper_free(struct helper *h)
{
	if (!h)
		return;
	close(h->fd);
	/* It may be in a call on a mount that nobody serves any more. */
	kill(h->pid, SIGKILL);
	child_reap(h->pid, NS_PER_SEC);
	free(h);
}

/* Waits for the answer to `number`, passing over those that are late. */
static int await(struct helper *h, uint32_t number, uint64_t deadline)
{
	for (;;) {
		uint64_t now = clock_mono();
		struct pollfd p = {.fd = h->fd, .events = POLLIN};
		struct answer a;

		if (now >= deadline || poll(&p, 1, (int)((deadline - now) / NS_PER_MS) + 1) <= 0)
			return -ETIMEDOUT;
		if (recv(h->fd, &a, sizeof(a), MSG_DONTWAIT) != sizeof(a))
			return -ETIMEDOUT; /* it has ended */
		if (a.number == number)
			return a.result;
	}
}

static int ask(struct helper *h, int what, const char *path, uint64_t timeout)
{
	struct message m = {.what = what, .number = ++h->number};
	size_t len = strlen(path);

	if (len >= sizeof(m.path))
		return -ENAMETOOLONG;
	memcpy(m.path, path, len);
	if (send(h->fd, &m, MESSAGE_HEAD + len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return -ETIMEDOUT; /* it is gone, or stuck with all that was sent before */
	return await(h, m.number, clock_mono() + timeout);
}

void helper_set_root(struct helper *h, const char *dir)
{
	if (h)
		ask(h, SET_ROOT, dir, NS_PER_SEC);
}

int helper_do(struct helper *h, enum helper_act act, const char *path, uint64_t timeout)
{
	return h ? ask(h, (int)act, path, timeout) : 0;
}

bool helper_is(const struct helper *h, pid_t pid)
{
	return h && pid == h->pid;
}

int helpers_start(struct helpers *h, struct err *err)
{
	h->helper = helper_new(err);
	h->namer = h->helper ? helper_new(err) : NULL;
	h->guard = h->namer ? guard_new(GUARD_CONNECTIONS, err) : NULL;
	return h->guard ? 0 : -err->code;
}

void helpers_mounted(const struct helpers *h, const char *dir)
{
	helper_set_root(h->helper, dir);
	helper_set_root(h->namer, dir);
	guard_watch(h->guard, dir);
}

void helpers_end(struct helpers *h)
{
	helper_free(h->helper);
	helper_free(h->namer);
	guard_free(h->guard);
}
