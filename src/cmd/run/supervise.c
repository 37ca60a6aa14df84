// SPDX-License-Identifier: Apache-2.0
/* Runs a program as if it were started in our place: we pass signals on to it, and end when it ends.
 *
 *      wait --- a signal for us --> pass it on, unless the terminal has sent it to both
 *        |  \-- the time is over --> look, in a thread of its own: a server may hang
 *        |  \-- it has looked --> if something changed, signal the program or restart it
 *        |  \-- the program has ended --> end
 */

#include "cmd/run/supervise.h"

#include "base/clock.h"
#include "cli/command.h"
#include "host/child.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define END_TIME (10 * NS_PER_SEC) /* for a program to end before its restart */

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
	child_exec(argv[0], argv, environment);
	return cannot_run(argv[0], errno);
}

/* Without fork(2): the child would not have the secret memory that holds the environment. 0 with
 * *pid, or an exit status if it could not be started. */
static int start(const struct supervise *s, pid_t *pid)
{
	posix_spawnattr_t attr;
	sigset_t none;
	int code;

	sigemptyset(&none);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	code = -child_spawn(pid, s->argv[0], &attr, s->argv, s->environment(s->arg));
	posix_spawnattr_destroy(&attr);
	return code ? cannot_run(s->argv[0], code) : 0;
}

struct run {
	const struct supervise *s;
	pthread_t waiter, looker;
	bool looking;	    /* `looker` exists */
	atomic_bool looked; /* it has finished */
	bool changed;	    /* its result */
	pid_t pid;
	int end;       /* the program's status, as of waitpid(2) */
	bool unwanted; /* a signal came that should end the program */
};

enum event { ENDED, LOOKED, TIME_OVER };

static bool is_to_end(int signal)
{
	return signal == SIGHUP || signal == SIGINT || signal == SIGQUIT || signal == SIGTERM;
}

/* Waits until `end`, passing signals on. */
static enum event wait_until(struct run *x, uint64_t end)
{
	sigset_t set;

	fill(&set);
	for (;;) {
		uint64_t now = clock_mono();
		struct timespec left = clock_timespec(end > now ? (int64_t)(end - now) : 0);
		siginfo_t info;
		int signal = sigtimedwait(&set, &info, &left), code = errno;

		x->unwanted = x->unwanted || is_to_end(signal);
		if (waitpid(x->pid, &x->end, WNOHANG) == x->pid)
			return ENDED;
		if (x->looking && atomic_load(&x->looked))
			end = 0; /* but take the signals that have come meanwhile first */
		if (signal < 0 && code == EAGAIN)
			return x->looking && atomic_load(&x->looked) ? LOOKED : TIME_OVER;
		/* A terminal sends its signals to all foreground processes itself. */
		if (signal > 0 && signal != SIGCHLD && info.si_code != SI_KERNEL)
			kill(x->pid, signal);
	}
}

/* Ends the program: patiently at first, then by SIGKILL. */
static void end(struct run *x)
{
	x->unwanted = false;
	kill(x->pid, SIGTERM);
	if (wait_until(x, clock_mono() + END_TIME) == ENDED)
		return;
	kill(x->pid, SIGKILL);
	waitpid(x->pid, &x->end, 0);
}

static void *look(void *arg)
{
	struct run *x = arg;

	x->changed = x->s->look(x->s->arg);
	atomic_store(&x->looked, true);
	/* Interrupts the wait, as the end of the program does. */
	pthread_kill(x->waiter, SIGCHLD);
	return NULL;
}

/* One look at a time; if no thread can be started, the next time will do. */
static void begin_look(struct run *x)
{
	if (x->looking)
		return;
	atomic_store(&x->looked, false);
	x->looking = pthread_create(&x->looker, NULL, look, x) == 0;
}

static bool end_look(struct run *x)
{
	pthread_join(x->looker, NULL);
	x->looking = false;
	return x->changed;
}

/* Signals or restarts the program; whether to go on. A signal that comes while one program ends is
 * meant for the next too, which is then not started. */
static bool follow(struct run *x, int *failed)
{
	if (x->s->signal) {
		kill(x->pid, x->s->signal);
		return true;
	}
	end(x);
	if (x->unwanted)
		return false;
	*failed = start(x->s, &x->pid);
	return !*failed;
}

int supervise_run(const struct supervise *s)
{
	struct run x = {.s = s, .waiter = pthread_self()};
	int failed = start(s, &x.pid);
	enum event event;

	while (!failed && (event = wait_until(&x, clock_mono() + s->interval)) != ENDED) {
		if (event == TIME_OVER)
			begin_look(&x);
		else if (end_look(&x) && !follow(&x, &failed))
			break;
	}
	if (x.looking) {
		s->hurry(s->arg);
		end_look(&x);
	}
	if (failed)
		return failed;
	return WIFSIGNALED(x.end) ? -WTERMSIG(x.end) : WEXITSTATUS(x.end);
}
