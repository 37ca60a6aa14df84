// SPDX-License-Identifier: Apache-2.0
/* Starting programs.
 *
 * Libraries open descriptors without FD_CLOEXEC, so we set it on all but the inherited ones just before a
 * program starts. A descriptor that another thread opens at that moment must have it from the beginning,
 * and connections to servers do (http/transfer.c). Inherited descriptors are passed on, since they may be
 * meant for the program: a shell's <(COMMAND), a socket of systemd's. */

#include "host/child.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define SERVED_FD 3
#define GIVEN_MAX 1024 /* a process's usual limit; higher ones are not passed on */

/* Global, as the environment is. */
static bool given[GIVEN_MAX];

void child_begin(void)
{
	for (int fd = 0; fd < GIVEN_MAX; fd++)
		given[fd] = fcntl(fd, F_GETFD) >= 0;
}

void child_seal(void)
{
	unsigned from = STDERR_FILENO + 1;

	for (unsigned fd = from; fd <= GIVEN_MAX; fd++) {
		if (fd < GIVEN_MAX && !given[fd])
			continue;
		if (fd == GIVEN_MAX)
			close_range(from, ~0u, CLOSE_RANGE_CLOEXEC);
		else if (fd > from)
			close_range(from, fd - 1, CLOSE_RANGE_CLOEXEC);
		from = fd + 1;
	}
}

int child_spawn(pid_t *pid, const char *file, const posix_spawnattr_t *attr, char *const *argv,
		char *const *environment)
{
	child_seal();
	return -posix_spawnp(pid, file, NULL, attr, argv, environment);
}

void child_exec(const char *file, char *const *argv, char *const *environment)
{
	child_seal();
	execvpe(file, argv, environment);
}

/* In the new process. */
static void become_server(const char *name, int death, pid_t parent, int fd)
{
	static const int ignored[] = {SIGINT, SIGHUP, SIGTERM};

	prctl(PR_SET_NAME, name);
	for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
		if (ignored[i] != death)
			signal(ignored[i], SIG_IGN);
	prctl(PR_SET_PDEATHSIG, death);
	if (getppid() != parent)
		_exit(0);
	setsid();
	/* Keep only the socket: whoever waits for the end of our output must not wait for this
	 * process. */
	dup2(fd, SERVED_FD);
	close_range(SERVED_FD + 1, ~0u, 0);
	for (int other = 0; other < SERVED_FD; other++)
		close(other);
}

pid_t child_fork(const char *name, int death, void (*serve)(int fd, const void *arg),
		 const void *arg, int *fd, struct err *err)
{
	pid_t pid = -1, parent = getpid();
	int fds[2] = {-1, -1};

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) == 0)
		pid = fork();
	if (pid == 0) {
		become_server(name, death, parent, fds[1]);
		serve(SERVED_FD, arg);
		_exit(0);
	}
	if (pid < 0) {
		err_set(err, errno, "cannot start %s: %s", name, strerror(errno));
		if (fds[0] >= 0)
			close(fds[0]);
	}
	if (fds[1] >= 0)
		close(fds[1]);
	*fd = fds[0];
	return pid < 0 ? -err->code : pid;
}

/* True if it has ended. */
static bool wait_for(pid_t pid, uint64_t deadline)
{
	for (;;) {
		pid_t ended = waitpid(pid, NULL, WNOHANG);

		if (ended == pid || (ended < 0 && errno != EINTR))
			return true;
		if (clock_mono() >= deadline)
			return false;
		nanosleep(&(struct timespec){.tv_nsec = 2 * NS_PER_MS}, NULL);
	}
}

void child_reap(pid_t pid, uint64_t patience)
{
	if (wait_for(pid, clock_mono() + patience))
		return;
	kill(pid, SIGKILL);
	wait_for(pid, clock_mono() + patience);
}
