// SPDX-License-Identifier: Apache-2.0
/* The process that runs commands.
 *
 * A task is one message: a head, then strings that end with NUL, the words, an empty one, the
 * environment. Each command is a process group of its own, so that it is ended with all that it has
 * started; it has nothing open but /dev/null, and the credentials that this process was started with are
 * no part of its environment. How it has ended is one message back. */

#include "watch/runner.h"

#include "base/clock.h"
#include "host/child.h"
#include "host/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define MESSAGE_MAX 131072
#define STRINGS_MAX 512
#define RUNNING_MAX 64
#define GRACE	    NS_PER_SEC /* between SIGTERM and SIGKILL */
#define TICK_MS	    20
#define END_TIME    (2 * NS_PER_SEC)

struct head {
	uint32_t id;
	int signal; /* 0: a command */
	uint64_t timeout;
};

struct runner {
	pid_t pid;
	int fd;
};

struct child {
	pid_t pid; /* 0: free */
	uint32_t id;
	uint64_t deadline;
	bool late;
};

static void tell(int fd, const struct runner_end *end)
{
	if (send(fd, end, sizeof(*end), MSG_NOSIGNAL) < 0 && errno != EAGAIN)
		_exit(0);
}

static void become_command(char **words, char **environment)
{
	int null = open("/dev/null", O_RDWR);
	sigset_t none;

	setpgid(0, 0);
	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	close_range(3, ~0u, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (int s = 1; s < NSIG; s++)
		signal(s, SIG_DFL);
	if (chdir("/") < 0)
		_exit(126);
	environ = environment;
	execvp(words[0], words);
	_exit(errno == ENOENT ? 127 : 126);
}

static int send_signal(int number, const char *file)
{
	return -process_signal_file(file, number);
}

/* The strings of a message, into two lists. False for what is none of ours. */
static bool split(char *at, const char *end, char **words, char **environment)
{
	char **to = words;
	size_t n = 0;

	for (; at < end && n < STRINGS_MAX - 1; at += strlen(at) + 1) {
		if (*at) {
			to[n++] = at;
			continue;
		}
		to[n] = NULL;
		if (to == environment)
			return true;
		to = environment;
		n = 0;
	}
	return false;
}

static void begin(int fd, struct child *children, char *message, size_t len)
{
	static char *words[STRINGS_MAX], *environment[STRINGS_MAX];
	struct runner_end end = {0};
	struct child *c = children;
	struct head head;

	memcpy(&head, message, sizeof(head));
	message[len] = '\0';
	end.id = head.id;
	while (c < children + RUNNING_MAX && c->pid)
		c++;
	if (head.signal)
		end.error = send_signal(head.signal, message + sizeof(head));
	else if (c == children + RUNNING_MAX ||
		 !split(message + sizeof(head), message + len, words, environment))
		end.error = EAGAIN;
	else
		c->pid = fork();
	if (!head.signal && !end.error && c->pid == 0)
		become_command(words, environment);
	if (!head.signal && !end.error && c->pid > 0) {
		setpgid(c->pid, c->pid);
		c->id = head.id;
		c->late = false;
		c->deadline = clock_mono() + head.timeout;
		return;
	}
	if (!head.signal && !end.error) {
		c->pid = 0;
		end.error = errno;
	}
	tell(fd, &end);
}

/* True where some are left. */
static bool look_after(int fd, struct child *children)
{
	bool left = false;

	for (struct child *c = children; c < children + RUNNING_MAX; c++) {
		struct runner_end end = {.id = c->id, .late = c->late};

		if (!c->pid)
			continue;
		if (waitpid(c->pid, &end.how, WNOHANG) == c->pid) {
			if (c->late)
				kill(-c->pid, SIGKILL);
			c->pid = 0;
			tell(fd, &end);
			continue;
		}
		left = true;
		if (clock_mono() < c->deadline)
			continue;
		kill(-c->pid, c->late ? SIGKILL : SIGTERM);
		c->late = true;
		c->deadline = clock_mono() + GRACE;
	}
	return left;
}

static void serve(int fd, const void *arg)
{
	static struct child children[RUNNING_MAX];
	static char message[MESSAGE_MAX + 1];
	bool busy = false;

	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t n;

		if (poll(&p, 1, busy ? TICK_MS : -1) > 0) {
			n = recv(fd, message, MESSAGE_MAX, 0);
			if (n < (ssize_t)sizeof(struct head))
				break;
			begin(fd, children, message, (size_t)n);
		}
		busy = look_after(fd, children);
	}
	for (struct child *c = children; c < children + RUNNING_MAX; c++)
		if (c->pid)
			kill(-c->pid, SIGTERM);
	_exit(0);
}

struct runner *runner_new(struct err *err)
{
	struct runner *r = calloc(1, sizeof(*r));

	if (!r) {
		err_set(err, ENOMEM, "no memory");
		return NULL;
	}
	r->pid = child_fork("vaultfs-run", SIGTERM, serve, NULL, &r->fd, err);
	if (r->pid > 0)
		return r;
	free(r);
	return NULL;
}

void runner_free(struct runner *r)
{
	if (!r)
		return;
	close(r->fd); /* it ends what it runs, and itself */
	child_reap(r->pid, END_TIME);
	free(r);
}

int runner_fd(const struct runner *r)
{
	return r->fd;
}

static bool add_strings(char *message, size_t *len, char *const *strings)
{
	for (; *strings; strings++) {
		size_t n = strlen(*strings) + 1;

		if (n == 1)
			continue; /* the empty one ends the list */
		if (*len + n + 1 > MESSAGE_MAX)
			return false;
		memcpy(message + *len, *strings, n);
		*len += n;
	}
	message[(*len)++] = '\0';
	return *len < MESSAGE_MAX;
}

int runner_start(struct runner *r, const struct runner_task *task)
{
	_cleanup_free_ char *message = malloc(MESSAGE_MAX + 1);
	struct head head = {.id = task->id, .signal = task->signal, .timeout = task->timeout};
	size_t len = sizeof(head);
	bool fits;

	if (!message)
		return -ENOMEM;
	memcpy(message, &head, sizeof(head));
	if (task->signal) {
		char *const file[] = {(char *)task->pid_file, NULL};

		fits = add_strings(message, &len, file);
	} else {
		fits = add_strings(message, &len, task->words) &&
		       add_strings(message, &len, task->environment);
	}
	if (!fits)
		return -E2BIG;
	return send(r->fd, message, len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

int runner_next(struct runner *r, struct runner_end *end)
{
	ssize_t n = recv(r->fd, end, sizeof(*end), MSG_DONTWAIT);

	if (n == (ssize_t)sizeof(*end))
		return 1;
	return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -EPIPE;
}
