// SPDX-License-Identifier: Apache-2.0
/* The choice of a server: a probe without a result leaves the probing to the next request. */

#include "unit_support.h"

#include "http/budget.h"
#include "vault/servers.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

TestSuite(servers, .init = support_init, .fini = support_fini, .timeout = 60);

/* Nothing listens there yet. */
static struct sockaddr_in place = {.sin_family = AF_INET};

static int bound(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	socklen_t len = sizeof(place);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	cr_assert_eq(bind(fd, (struct sockaddr *)&place, sizeof(place)), 0);
	getsockname(fd, (struct sockaddr *)&place, &len);
	return fd;
}

static void *serve(void *arg)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
				     "Connection: close\r\n\r\n{}";
	int listener = *(int *)arg;
	char request[4096];

	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			return NULL;
		if (read(fd, request, sizeof(request)) > 0)
			cr_assert_gt(write(fd, answer, sizeof(answer) - 1), 0);
		close(fd);
	}
}

/* 0 if the request was answered, else its errno. */
static int ask(struct servers *s, struct budget *budget, uint64_t deadline)
{
	_cleanup_reply_ struct http_reply reply = {0};
	struct http_request request = {
		.method = "GET", .path = "/v1/secret/data/a", .limit.deadline = deadline};
	struct servers_ask ask = {.request = &request, .budget = budget, .path = "secret/data/a"};
	const char *address;
	struct err err = {0};
	int r = servers_ask(s, &ask, &reply, &address, &err);

	return r == 0 ? reply_verdict(&reply, address, NULL) : r;
}

Test(servers, a_probe_without_time_leaves_it_to_the_next)
{
	struct http_config config = {.connections = 4, .max_body = 1 << 20, .direct = true};
	struct budget budget;
	struct err err = {0};
	struct http *http = http_new(&config, &err);
	struct servers *s;
	pthread_t thread;
	char address[64];
	int fd = bound();

	close(fd);
	snprintf(address, sizeof(address), "http://127.0.0.1:%u", ntohs(place.sin_port));
	budget_init(&budget, 0);
	s = http ? servers_new(http, address, true, &err) : NULL;
	cr_assert_not_null(s, "%s", err_text(&err));
	for (int i = 0; i < 10; i++)
		cr_assert_eq(ask(s, &budget, clock_mono() + NS_PER_SEC), -EHOSTUNREACH);
	support_sleep(300 * NS_PER_MS);
	cr_assert_lt(ask(s, &budget, clock_mono() - 1), 0);
	fd = bound();
	cr_assert_eq(listen(fd, 16), 0);
	cr_assert_eq(pthread_create(&thread, NULL, serve, &fd), 0);
	for (int i = 0; ask(s, &budget, clock_mono() + 5 * NS_PER_SEC) < 0; i++) {
		cr_assert_lt(i, 60, "the server is back, and never asked again");
		support_sleep(50 * NS_PER_MS);
	}
	shutdown(fd, SHUT_RDWR);
	pthread_join(thread, NULL);
	close(fd);
	servers_free(s);
	http_free(http);
	budget_fini(&budget);
}
