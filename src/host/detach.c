// SPDX-License-Identifier: Apache-2.0
/* Going to the background without losing the report of success or failure. */

#include "config.h"
#include "host/detach.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#ifdef HAVE_LIBSYSTEMD
#include <systemd/sd-daemon.h>
#endif

struct report {
	int status;
	struct err word;
};

static void hear(int fd, pid_t child, int *status, struct err *word)
{
	struct report r;
	ssize_t n;

	do
		n = read(fd, &r, sizeof(r));
	while (n < 0 && errno == EINTR);
	if (n == sizeof(r)) {
		*status = r.status;
		*word = r.word;
		return;
	}
	*status = 1;
	err_set(word, ECHILD, "the daemon (process %d) ended before it was ready", (int)child);
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
}

int detach_fork(struct detach *d, bool *parent, int *status, struct err *word)
{
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_set(word, errno, "cannot detach: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		return err_set(word, errno, "cannot detach: %s", strerror(errno));
	*parent = pid != 0;
	if (pid == 0) {
		close(fds[0]);
		d->report = fds[1];
		if (chdir("/") < 0)
			return err_set(word, errno, "cannot go to /: %s", strerror(errno));
		return 0;
	}
	close(fds[1]);
	hear(fds[0], pid, status, word);
	close(fds[0]);
	return 0;
}

void detach_session(void)
{
	setsid();
}

void detach_report(struct detach *d, int status, const struct err *word)
{
	struct report r = {.status = status, .word = *word};

	if (d->report < 0)
		return;
	if (write(d->report, &r, sizeof(r)) < 0)
		errno = 0; /* nobody listens any more */
	close(d->report);
	d->report = -1;
}

void detach_streams(bool keep_stderr)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return;
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	if (!keep_stderr)
		dup2(null, STDERR_FILENO);
	if (null > STDERR_FILENO)
		close(null);
}

void detach_notify(const char *state)
{
#ifdef HAVE_LIBSYSTEMD
	sd_notify(0, state);
#endif
}
