// SPDX-License-Identifier: Apache-2.0
/* Runs a program as if it were started in our place: what is sent to us is passed on to it, and its end
 * is ours.
 *
 *      wait --- a signal for us --> pass it on, unless the terminal has sent it to both
 *        |  \-- the time is over --> look; changed: tell it, or end it and start it anew
 *        |  \-- the program has ended --> that is the end
 */

#include "tools/supervise.h"

#include "base/clock.h"
#include "cli/command.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define END_TIME (10 * NS_PER_SEC) /* for a program that is to be started anew */

static const int passed[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT};

static void fill(sigset_t *set)
{
	sigemptyset(set);
	for (size_t i = 0; i < sizeof(passed) / sizeof(passed[0]); i++)
		sigaddset(set, passed[i]);
	sigaddset(set, SIGCHLD);
}

void supervise_block(void)
{
	sigset_t set;

	fill(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static int cannot_run(const char *name, int code)
{
	return command_fail(code == ENOENT ? 127 : 126, "cannot run %s: %s", name, strerror(code));
}

int supervise_exec(char **argv, char **environment)
{
	execvpe(argv[0], argv, environment);
	return cannot_run(argv[0], errno);
}

/* Not by fork(2): the secret memory that the environment is in is not the child's then. 0 with *pid,
 * or the status that says that it could not be started. */
static int start(const struct supervise *s, pid_t *pid)
{
	posix_spawnattr_t attr;
	sigset_t none;
	int code;

	sigemptyset(&none);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	code = posix_spawnp(pid, s->argv[0], NULL, &attr, s->argv, s->environment(s->arg));
	posix_spawnattr_destroy(&attr);
	return code ? cannot_run(s->argv[0], code) : 0;
}

/* Waits until `end`, passing on what comes. 1: the time is over; 0: it has ended, with *status. */
static int wait_until(pid_t pid, uint64_t end, int *status)
{
	sigset_t set;

	fill(&set);
	for (;;) {
		uint64_t now = clock_mono();
		struct timespec left = clock_timespec(end > now ? (int64_t)(end - now) : 0);
		siginfo_t info;
		int signal = sigtimedwait(&set, &info, &left);

		if (waitpid(pid, status, WNOHANG) == pid)
			return 0;
		if (signal < 0 && errno == EAGAIN)
			return 1;
		/* What a terminal sends goes to all of its foreground processes. */
		if (signal > 0 && signal != SIGCHLD && info.si_code != SI_KERNEL)
			kill(pid, signal);
	}
}

/* Ends it, with patience at first. */
static void end(pid_t pid)
{
	int status;

	kill(pid, SIGTERM);
	if (wait_until(pid, clock_mono() + END_TIME, &status) == 0)
		return;
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
}

int supervise_run(const struct supervise *s)
{
	pid_t pid;
	int status = 0, failed = start(s, &pid);

	while (!failed && wait_until(pid, clock_mono() + s->interval, &status)) {
		if (!s->look(s->arg))
			continue;
		if (s->signal) {
			kill(pid, s->signal);
			continue;
		}
		end(pid);
		failed = start(s, &pid);
	}
	if (failed)
		return failed;
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}
