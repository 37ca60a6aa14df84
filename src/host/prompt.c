// SPDX-License-Identifier: Apache-2.0
/* Passwords from a terminal: the echo is off while one is typed, and restored however that ends. */

#include "host/prompt.h"

#include "base/secmem.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <termios.h>

#define LINE_BYTES 4096 /* the most that a terminal returns */

static void interrupt(int signal)
{
}

/* Reads a line, without its end. */
static int read_line(int fd, struct secret **out)
{
	_cleanup_secmem_ char *line = secmem_alloc(LINE_BYTES);
	ssize_t n;

	if (!line)
		return -ENOMEM;
	n = read(fd, line, LINE_BYTES);
	if (n < 0)
		return -errno;
	while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
		n--;
	if (n == 0)
		return -ENODATA;
	*out = secret_new(line, (size_t)n);
	return *out ? 0 : -ENOMEM;
}

/* Ctrl-C ends the read; the echo is restored before the signal takes its usual effect. */
static int read_unseen(int fd, struct secret **out)
{
	struct sigaction quit = {.sa_handler = interrupt}, before;
	struct termios shown, unseen;
	int r;

	if (tcgetattr(fd, &shown) < 0)
		return -errno;
	unseen = shown;
	unseen.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
	sigaction(SIGINT, &quit, &before);
	tcsetattr(fd, TCSAFLUSH, &unseen);
	r = read_line(fd, out);
	tcsetattr(fd, TCSAFLUSH, &shown);
	sigaction(SIGINT, &before, NULL);
	if (write(fd, "\n", 1) < 0)
		errno = 0;
	if (r == -EINTR)
		raise(SIGINT);
	return r;
}

int prompt_secret(const char *question, struct secret **out, struct err *err)
{
	_cleanup_close_ int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	int r;

	if (fd < 0 || write(fd, question, strlen(question)) < 0)
		return err_set(err, ENOTTY, "there is no terminal to ask at");
	r = read_unseen(fd, out);
	return r < 0 ? err_set(err, -r, "nothing was typed (%s)", strerror(-r)) : 0;
}
