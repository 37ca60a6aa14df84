// SPDX-License-Identifier: Apache-2.0
/* The helper process.
 *
 * Messages are a letter, a number and a path; the answer is the number, so that one that comes too
 * late is known for what it is. It opens the mount's root for each message and closes it again: a
 * descriptor that is kept would make every umount(8) fail with EBUSY. Paths are resolved beneath that
 * root and never leave the mount. */

#include "fs/helper.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define MESSAGE_MAX 8192

struct message {
	char what; /* 'r': the path is the root; 's': stat */
	uint32_t number;
	char path[MESSAGE_MAX];
};
#define MESSAGE_HEAD offsetof(struct message, path)

struct helper {
	pid_t pid;
	int fd;
	uint32_t number;
};

static void act(const char *root, const struct message *m)
{
	struct open_how how = {.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
			       .resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS};
	_cleanup_close_ int dir = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (dir < 0)
		return;
	fd = (int)syscall(SYS_openat2, dir, m->path + 1, &how, sizeof(how));
	if (fd >= 0)
		fstat(fd, &st);
}

static void serve(int fd)
{
	char root[MESSAGE_MAX] = "";
	struct message m;

	for (;;) {
		ssize_t n = recv(fd, &m, sizeof(m) - 1, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < (ssize_t)MESSAGE_HEAD)
			_exit(0);
		((char *)&m)[n] = '\0';
		if (m.what == 'r')
			snprintf(root, sizeof(root), "%s", m.path);
		else
			act(root, &m);
		if (send(fd, &m.number, sizeof(m.number), MSG_NOSIGNAL) < 0)
			_exit(0);
	}
}

struct helper *helper_new(struct err *err)
{
	struct helper *h = calloc(1, sizeof(*h));
	int fds[2], parent = getpid();

	if (!h || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0) {
		err_set(err, errno, "cannot start the helper process: %s", strerror(errno));
		free(h);
		return NULL;
	}
	h->pid = fork();
	if (h->pid == 0) {
		prctl(PR_SET_NAME, "vaultfs-notice");
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(0);
		setsid();
		signal(SIGINT, SIG_IGN);
		signal(SIGTERM, SIG_IGN);
		signal(SIGHUP, SIG_IGN);
		/* Nothing but the socket: whoever waits for our output must not wait for it too. */
		dup2(fds[1], 3);
		if (fds[1] != 3)
			close(fds[1]);
		close_range(4, ~0u, 0);
		for (int fd = 0; fd < 3; fd++)
			close(fd);
		serve(3);
	}
	close(fds[1]);
	if (h->pid < 0) {
		err_set(err, errno, "cannot start the helper process: %s", strerror(errno));
		close(fds[0]);
		free(h);
		return NULL;
	}
	h->fd = fds[0];
	return h;
}

void helper_free(struct helper *h)
{
	if (!h)
		return;
	close(h->fd);
	/* It may be in a call on a mount that nobody serves any more. */
	kill(h->pid, SIGKILL);
	while (waitpid(h->pid, NULL, 0) < 0 && errno == EINTR)
		;
	free(h);
}

/* Waits for the answer to `number`, passing over those that are late. */
static bool await(struct helper *h, uint32_t number, uint64_t deadline)
{
	for (;;) {
		uint64_t now = clock_mono();
		struct pollfd p = {.fd = h->fd, .events = POLLIN};
		uint32_t got;

		if (now >= deadline || poll(&p, 1, (int)((deadline - now) / NS_PER_MS) + 1) <= 0)
			return false;
		if (recv(h->fd, &got, sizeof(got), MSG_DONTWAIT) != sizeof(got))
			return false;
		if (got == number)
			return true;
	}
}

static bool ask(struct helper *h, char what, const char *path, uint64_t timeout)
{
	struct message m = {.what = what, .number = ++h->number};
	size_t len = strlen(path);

	if (len >= sizeof(m.path))
		return false;
	memcpy(m.path, path, len);
	if (send(h->fd, &m, MESSAGE_HEAD + len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return false; /* it is gone, or stuck with all that was sent before */
	return await(h, m.number, clock_mono() + timeout);
}

void helper_set_root(struct helper *h, const char *dir)
{
	if (h)
		ask(h, 'r', dir, NS_PER_SEC);
}

bool helper_stat(struct helper *h, const char *path, uint64_t timeout)
{
	return h && ask(h, 's', path, timeout);
}

bool helper_is(const struct helper *h, pid_t pid)
{
	return h && pid == h->pid;
}
