// SPDX-License-Identifier: Apache-2.0
/* A listener for one answer, by one browser on this machine. It reads a request's first line, and
 * knows no more of HTTP than that. Anybody on the machine can connect: a silent client is given a
 * few seconds, and the request must be the expected one. */

#include "host/callback.h"

#include "base/clock.h"
#include "base/secmem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define REQUEST_MAX (32u << 10)
#define PATIENCE    2 /* s, for a client that connects and says nothing */

struct callback {
	int fd;
};

struct callback *callback_new(uint16_t port, struct err *err)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons(port),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct callback *c = calloc(1, sizeof(*c));
	int yes = 1;

	if (!c) {
		err_set(err, ENOMEM, "no memory");
		return NULL;
	}
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || setsockopt(c->fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0 ||
	    bind(c->fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(c->fd, 8) < 0) {
		err_set(err, errno, "cannot listen on 127.0.0.1:%u: %s", port, strerror(errno));
		callback_free(c);
		return NULL;
	}
	return c;
}

void callback_free(struct callback *c)
{
	if (!c)
		return;
	if (c->fd >= 0)
		close(c->fd);
	free(c);
}

/* Reads the whole head, so that closing does not reset our answer. */
static int read_head(int fd, char *to, size_t room)
{
	struct timeval patience = {.tv_sec = PATIENCE};
	size_t len = 0;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	while (len < room - 1) {
		ssize_t n = recv(fd, to + len, room - 1 - len, 0);

		if (n <= 0)
			return -ECONNABORTED;
		len += (size_t)n;
		to[len] = '\0';
		if (strstr(to, "\r\n\r\n"))
			return 0;
	}
	return -EFBIG;
}

/* The query of "GET PATH?QUERY HTTP/1.1", with a NUL after it; NULL for any other request. */
static char *find_query(char *head, const char *path)
{
	size_t len = strlen(path);
	char *end = strpbrk(head, "\r\n");

	if (strncmp(head, "GET ", 4) != 0 || strncmp(head + 4, path, len) != 0 ||
	    head[4 + len] != '?' || !end)
		return NULL;
	*end = '\0';
	head += 4 + len + 1;
	end = strchr(head, ' ');
	if (!end)
		return NULL;
	*end = '\0';
	return head;
}

static void answer(int fd, const char *status, const char *text)
{
	char reply[512];
	int len = snprintf(reply, sizeof(reply),
			   "HTTP/1.1 %s\r\nContent-Type: text/plain; charset=utf-8\r\n"
			   "Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\n"
			   "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
			   status, strlen(text), text);

	if (send(fd, reply, (size_t)len, MSG_NOSIGNAL) < 0)
		errno = 0; /* nobody listens any more */
}

/* 0 with the query, or -EAGAIN if it was some other client. */
static int serve(int fd, const char *path, bool (*expected)(const char *, const void *),
		 const void *arg, struct secret **out)
{
	_cleanup_secmem_ char *head = secmem_alloc(REQUEST_MAX);
	char *query;

	if (!head)
		return -ENOMEM;
	if (read_head(fd, head, REQUEST_MAX) < 0)
		return -EAGAIN;
	query = find_query(head, path);
	if (!query || !expected(query, arg)) {
		answer(fd, "404 Not Found", "This is not what vaultfs waits for.\n");
		return -EAGAIN;
	}
	*out = secret_new(query, strlen(query));
	if (!*out)
		return -ENOMEM;
	answer(fd, "200 OK", "vaultfs goes on where it was started. This window can be closed.\n");
	return 0;
}

int callback_wait(struct callback *c, const char *path, uint64_t deadline,
		  bool (*expected)(const char *query, const void *arg), const void *arg,
		  struct secret **query, struct err *err)
{
	for (;;) {
		struct pollfd p = {.fd = c->fd, .events = POLLIN};
		uint64_t now = clock_mono();
		_cleanup_close_ int fd = -1;
		int r;

		if (now >= deadline)
			return err_set(err, ETIMEDOUT, "nobody came back from the browser");
		r = poll(&p, 1, (int)((deadline - now) / NS_PER_MS) + 1);
		if (r < 0 && errno != EINTR)
			return err_set(err, errno, "cannot wait for the browser: %s",
				       strerror(errno));
		if (r <= 0)
			continue;
		fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			continue;
		r = serve(fd, path, expected, arg, query);
		if (r != -EAGAIN)
			return r == 0 ? 0 : err_set(err, -r, "%s", strerror(-r));
	}
}
