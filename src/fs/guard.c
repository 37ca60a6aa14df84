// SPDX-License-Identifier: Apache-2.0
/* The guard process.
 *
 * When a daemon dies the kernel closes /dev/fuse, and all who wait get an error, but not before its last
 * thread has ended. A thread that waits in the kernel for the mount itself never does:
 *
 *      our thread  asks for a file that lies in our own mount: a configuration, a token, by a symlink
 *      /dev/fuse   is held open by it, so that its question is not failed, and nobody else's
 *
 * That must not be, and notify.c tells how it is avoided; this is for where it happens all the same. Only
 * writing to the connection's "abort" ends it then.
 *
 * A pidfd tells nothing while such a thread is left, nor do our descriptors close. But the death of the
 * thread that forked us is told: the daemon's first, which waits for nothing but the loop's end. */

#include "fs/guard.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "host/child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEATH	SIGRTMIN /* nothing else sends it */
#define ANSWER	"w"
#define WAIT_MS 1000

struct guard {
	pid_t pid; /* 0: it had nothing to watch */
	int fd;
};

/* The file that ends the connection of what is mounted there, without a question to who serves it. */
static int open_abort(const char *connections, const char *dir)
{
	char file[PATH_MAX];
	struct statx st;

	if (statx(AT_FDCWD, dir, AT_STATX_DONT_SYNC, STATX_TYPE, &st) < 0)
		return -errno;
	/* The kernel's number of a device. */
	snprintf(file, sizeof(file), "%s/%u/abort", connections,
		 st.stx_dev_major << 20 | st.stx_dev_minor);
	return open(file, O_WRONLY | O_CLOEXEC);
}

/* Whether it was the kernel that sent it, for the daemon. */
static bool is_death(int signals, pid_t daemon)
{
	struct signalfd_siginfo info;

	return read(signals, &info, sizeof(info)) == sizeof(info) && (pid_t)info.ssi_pid == daemon;
}

/* Until the daemon has ended, in whatever way. */
static void watch(int fd, int signals, int abort_fd, pid_t daemon)
{
	struct pollfd p[] = {{.fd = fd, .events = POLLIN}, {.fd = signals, .events = POLLIN}};

	for (;;) {
		if (poll(p, ARRAY_SIZE(p), -1) < 0)
			continue;
		/* All of it has, in good order or at once: there is nothing to abort. */
		if (p[0].revents)
			return;
		if (p[1].revents && is_death(signals, daemon))
			break;
	}
	if (write(abort_fd, "1", 1) < 0)
		errno = 0; /* the connection has ended without us */
}

static void serve(int fd, const void *arg)
{
	pid_t daemon = getppid();
	char dir[PATH_MAX];
	int signals, abort_fd = -1;
	sigset_t set;
	ssize_t n;

	sigemptyset(&set);
	sigaddset(&set, DEATH);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signals = signalfd(-1, &set, SFD_CLOEXEC);
	do
		n = recv(fd, dir, sizeof(dir) - 1, 0);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return;
	dir[n] = '\0';
	abort_fd = open_abort(arg, dir);
	if (signals < 0 || abort_fd < 0 || send(fd, ANSWER, 1, MSG_NOSIGNAL) < 0 || chdir("/") < 0)
		return;
	watch(fd, signals, abort_fd, daemon);
}

struct guard *guard_new(const char *connections, struct err *err)
{
	struct guard *g = calloc(1, sizeof(*g));

	if (!g) {
		err_set(err, ENOMEM, "no memory");
		return NULL;
	}
	g->pid = child_fork("vaultfs-guard", DEATH, serve, connections, &g->fd, err);
	if (g->pid > 0)
		return g;
	free(g);
	return NULL;
}

static void end(struct guard *g)
{
	if (g->pid == 0)
		return;
	close(g->fd);
	child_reap(g->pid, NS_PER_SEC);
	g->pid = 0;
}

void guard_watch(struct guard *g, const char *dir)
{
	struct pollfd p = {.events = POLLIN};
	char answer;

	if (!g || g->pid == 0)
		return;
	p.fd = g->fd;
	if (send(g->fd, dir, strlen(dir), MSG_NOSIGNAL) < 0 ||
	    (poll(&p, 1, WAIT_MS) > 0 && recv(g->fd, &answer, 1, MSG_DONTWAIT) != 1))
		end(g);
}

void guard_free(struct guard *g)
{
	if (!g)
		return;
	end(g);
	free(g);
}
