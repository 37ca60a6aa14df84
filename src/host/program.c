// SPDX-License-Identifier: Apache-2.0
/* Running a command whose output is a secret.
 *
 *      we     a number, a time, the command; the write ends of two pipes ------> the process
 *      we     read both pipes, into secret memory <------------------------- the command
 *      we     the number, how it has ended <------------------------------- the process
 *
 * No other process reads the command's output. The command may leave a child behind that holds the output
 * open, so we wait for the command to end, and not for the pipe. We skip an outcome that comes after we
 * have given up: its number is not that of the current command. */

#include "host/program.h"

#include "base/clock.h"
#include "base/secmem.h"
#include "host/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define COMMAND_MAX 16384
#define GRACE	    NS_PER_SEC /* between SIGTERM and SIGKILL */
#define END_TIME    (2 * NS_PER_SEC)

struct order {
	uint32_t number; /* of a command; 0: stop */
	uint64_t time;	 /* ns that it may take */
	char command[COMMAND_MAX];
};
#define ORDER_HEAD offsetof(struct order, command)

struct outcome {
	uint32_t number;
	int error; /* errno: it was not started */
	int how;
	bool late; /* it did not end by itself */
};

struct program {
	pid_t pid;
	int fd;
	uint32_t number;
	atomic_bool stopped;
};

/* In the helper: the current command. */
struct running {
	pid_t pid; /* 0: nothing */
	int fd;	   /* its pidfd */
	uint32_t number;
	uint64_t deadline;
	bool late;
};

static void become_command(const char *dir, const int out[2], const char *command)
{
	char *const words[] = {(char *)"sh", (char *)"-c", (char *)command, NULL};
	sigset_t none;

	setpgid(0, 0);
	dup2(out[0], STDOUT_FILENO);
	dup2(out[1], STDERR_FILENO);
	close_range(STDERR_FILENO + 1, ~0u, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (int s = 1; s < NSIG; s++)
		signal(s, SIG_DFL);
	if (!dir || chdir(dir) == 0)
		child_exec("/bin/sh", words, environ);
	_exit(126);
}

static void tell(int fd, const struct outcome *o)
{
	if (send(fd, o, sizeof(*o), MSG_NOSIGNAL) < 0 && errno != EAGAIN)
		_exit(0);
}

static void begin(int fd, struct running *r, const struct order *order, const int out[2],
		  const char *dir)
{
	pid_t pid = fork();

	if (pid == 0)
		become_command(dir, out, order->command);
	if (pid < 0) {
		tell(fd, &(struct outcome){.number = order->number, .error = errno});
		return;
	}
	setpgid(pid, pid);
	*r = (struct running){.pid = pid,
			      .fd = (int)syscall(SYS_pidfd_open, pid, 0),
			      .number = order->number,
			      .deadline = clock_mono() + order->time};
}

/* Kills the group even if the command has ended: its children may still run. */
static void kill_running(struct running *r)
{
	if (r->pid)
		kill(-r->pid, SIGKILL);
	r->late = true;
	r->deadline = clock_mono() + GRACE;
}

static void look_after(int fd, struct running *r)
{
	struct outcome o = {.number = r->number, .late = r->late};
	siginfo_t info = {0};

	if (waitid(P_PID, (id_t)r->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid) {
		if (r->late) /* before reaping, while the number is still its own */
			kill(-r->pid, SIGKILL);
		waitpid(r->pid, &o.how, 0);
		tell(fd, &o);
		if (r->fd >= 0)
			close(r->fd);
		r->pid = 0;
	} else if (clock_mono() >= r->deadline) {
		bool again = r->late;

		kill(-r->pid, again ? SIGKILL : SIGTERM);
		r->late = true;
		r->deadline = clock_mono() + GRACE;
	}
}

/* Receives an order and its descriptors. The length of the message; 0 or less at the end. */
static ssize_t take_order(int fd, struct order *order, int out[2])
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(2 * sizeof(int))];
	} control;
	struct iovec iov = {.iov_base = order, .iov_len = sizeof(*order) - 1};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;

	out[0] = out[1] = -1;
	if (c && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(2 * sizeof(int)))
		memcpy(out, CMSG_DATA(c), 2 * sizeof(int));
	if (n > 0)
		((char *)order)[n] = '\0';
	return n;
}

static void obey(int fd, struct running *r, const struct order *order, int out[2], const char *dir)
{
	/* A new order means that the caller has given up the last one. */
	if (r->pid)
		kill_running(r);
	for (int i = 0; r->pid && i < 100; i++) {
		look_after(fd, r);
		if (r->pid)
			poll(NULL, 0, 10);
	}
	if (order->number && out[1] >= 0 && !r->pid)
		begin(fd, r, order, out, dir);
	else if (order->number)
		/* The last command is stuck in the kernel. */
		tell(fd, &(struct outcome){.number = order->number, .error = EBUSY});
	for (int i = 0; i < 2; i++)
		if (out[i] >= 0)
			close(out[i]);
}

static int time_left(const struct running *r)
{
	uint64_t now = clock_mono();

	if (!r->pid)
		return -1;
	return r->deadline > now ? (int)((r->deadline - now) / NS_PER_MS) + 1 : 0;
}

static void serve(int fd, const void *arg)
{
	static struct order order;
	struct running r = {0};
	int out[2];

	/* Commands read /dev/null, and no later descriptor may become a standard stream. */
	while ((out[0] = open("/dev/null", O_RDWR)) >= 0 && out[0] <= STDERR_FILENO)
		;
	close(out[0]);
	for (;;) {
		struct pollfd p[2] = {{.fd = fd, .events = POLLIN},
				      {.fd = r.pid ? r.fd : -1, .events = POLLIN}};

		poll(p, 2, r.pid && r.fd < 0 ? 20 : time_left(&r));
		if (p[0].revents) {
			if (take_order(fd, &order, out) < (ssize_t)ORDER_HEAD)
				break;
			obey(fd, &r, &order, out, arg);
		}
		if (r.pid)
			look_after(fd, &r);
	}
	kill_running(&r);
}

/* From here on in our own process. */

struct program *program_new(const char *dir, struct err *err)
{
	struct program *p = calloc(1, sizeof(*p));

	if (!p) {
		err_set(err, ENOMEM, "no memory");
		return NULL;
	}
	/* No signal when we end: it watches the socket, and ends the command before itself. */
	p->pid = child_fork("vaultfs-program", 0, serve, dir, &p->fd, err);
	if (p->pid > 0)
		return p;
	free(p);
	return NULL;
}

void program_free(struct program *p)
{
	if (!p)
		return;
	close(p->fd);
	child_reap(p->pid, END_TIME);
	free(p);
}

static void order_stop(const struct program *p)
{
	struct order stop = {0};

	if (send(p->fd, &stop, ORDER_HEAD, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return; /* the helper has ended, and the command with it */
}

void program_stop(struct program *p)
{
	if (!p)
		return;
	atomic_store(&p->stopped, true);
	order_stop(p);
}

void program_end_fini(struct program_end *end)
{
	secret_put(end->output);
	explicit_bzero(end, sizeof(*end));
}

/* The state of reading a command's output. */
struct reading {
	int out, words; /* the pipes; -1: closed at the other end */
	char *text;
	size_t len, max;
	struct program_end *end;
	size_t words_len;
	struct outcome outcome;
	bool ended;
};

static int send_order(struct program *p, const char *command, uint64_t time, const int out[2])
{
	_cleanup_free_ struct order *order = malloc(sizeof(*order));
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(2 * sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = order, .iov_len = ORDER_HEAD + strlen(command)};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	if (!order)
		return -ENOMEM;
	if (strlen(command) >= COMMAND_MAX - 1)
		return -E2BIG;
	order->number = ++p->number ? p->number : ++p->number;
	order->time = time;
	memcpy(order->command, command, strlen(command));
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(2 * sizeof(int));
	memcpy(CMSG_DATA(c), out, 2 * sizeof(int));
	return sendmsg(p->fd, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* Reads all output that is there. 0, -EFBIG, or 1 at its end. */
static int read_output(struct reading *r)
{
	for (;;) {
		ssize_t n = read(r->out, r->text + r->len, r->max + 1 - r->len);

		if (n < 0)
			return errno == EINTR ? 0 : errno == EAGAIN ? 0 : 1;
		if (n == 0)
			return 1;
		r->len += (size_t)n;
		if (r->len > r->max)
			return -EFBIG;
	}
}

/* Keeps the end of standard error, where programs say what is wrong. Reads in turns, so that
 * endless output does not keep us here; each turn is longer than a pipe. */
static int read_words(struct reading *r)
{
	char some[4096], *words = r->end->words;
	size_t room = PROGRAM_WORDS - 1;

	for (int i = 0; i < 32; i++) {
		ssize_t n = read(r->words, some, sizeof(some));
		size_t len = n > 0 ? (size_t)n : 0, skip, keep;

		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : 1;
		if (n == 0)
			return 1;
		skip = len > room ? len - room : 0;
		len -= skip;
		keep = r->words_len + len > room ? room - len : r->words_len;
		memmove(words, words + r->words_len - keep, keep);
		memcpy(words + keep, some + skip, len);
		r->words_len = keep + len;
		words[r->words_len] = '\0';
		explicit_bzero(some, sizeof(some));
	}
	return 0;
}

static int read_both(struct reading *r)
{
	int e = r->out >= 0 ? read_output(r) : 0;

	if (e == 1)
		r->out = -1;
	if (e < 0)
		return e;
	if (r->words >= 0 && read_words(r) == 1)
		r->words = -1;
	return 0;
}

static int read_outcome(struct program *p, struct reading *r)
{
	struct outcome o;
	ssize_t n = recv(p->fd, &o, sizeof(o), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n != (ssize_t)sizeof(o))
		return -EPIPE;
	if (o.number != p->number)
		return 0;
	r->outcome = o;
	r->ended = true;
	return 0;
}

/* Follows the command to its end. By then all its output is in the pipes. */
static int follow(struct program *p, struct reading *r, uint64_t deadline)
{
	int e = 0;

	while (e == 0 && !r->ended) {
		struct pollfd fds[] = {{.fd = p->fd, .events = POLLIN},
				       {.fd = r->out, .events = POLLIN},
				       {.fd = r->words, .events = POLLIN}};
		uint64_t now = clock_mono();

		if (atomic_load(&p->stopped))
			return -EINTR;
		if (now >= deadline)
			return -ETIMEDOUT;
		poll(fds, 3, (int)((deadline - now) / NS_PER_MS) + 1);
		if (fds[0].revents)
			e = read_outcome(p, r);
		if (e == 0)
			e = read_both(r);
	}
	/* The helper may notice the deadline a moment before we do. */
	if (e == 0 && r->outcome.late)
		return atomic_load(&p->stopped) ? -EINTR : -ETIMEDOUT;
	return e < 0 ? e : -r->outcome.error;
}

static int open_pipe(int *from, int *to)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	*from = ends[0];
	*to = ends[1];
	/* Only our end is non-blocking: a program expects its own end to block. */
	return fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

int program_run(struct program *p, const char *command, size_t max, struct limit limit,
		struct program_end *end)
{
	_cleanup_secmem_ char *text = secmem_alloc(max + 1);
	_cleanup_close_ int out = -1, words = -1, out_end = -1, words_end = -1;
	struct reading r = {.text = text, .max = max, .end = end};
	uint64_t now = clock_mono();
	int e = text ? 0 : -ENOMEM;

	*end = (struct program_end){0};
	if (e == 0)
		e = open_pipe(&out, &out_end);
	if (e == 0)
		e = open_pipe(&words, &words_end);
	if (e == 0)
		e = send_order(p, command, limit.deadline > now ? limit.deadline - now : 0,
			       (const int[]){out_end, words_end});
	if (e < 0)
		return e;
	r.out = out;
	r.words = words;
	e = follow(p, &r, limit.deadline);
	if (e < 0 && !r.ended)
		order_stop(p);
	end->how = r.outcome.how;
	while (r.words_len && strchr(" \t\r\n", end->words[r.words_len - 1]))
		end->words[--r.words_len] = '\0';
	if (e == 0)
		e = secret_from_text(text, r.len, SECRET_WORD, &end->output);
	return e == -ENODATA ? 0 : e;
}
