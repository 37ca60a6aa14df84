// SPDX-License-Identifier: Apache-2.0
/* The clock of tests/bench/all: does things in turn, many times, and prints the median of each in
 * nanoseconds.
 *
 *      cold DIR URL N            token on stdin: opens, reads and closes DIR/sI/f0, against a GET of
 *                                URL/sI on one kept connection
 *      write DIR URL N           the same of writing, against a GET and a POST
 *      read N THREADS FILE...    opens, reads and closes each FILE, in each thread
 *      stat N THREADS FILE... */

#include <curl/curl.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void read_file(const char *path)
{
	char text[4096];
	int fd = open(path, O_RDONLY);

	if (fd < 0 || read(fd, text, sizeof(text)) <= 0 || close(fd) < 0)
		die(path);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static uint64_t median(uint64_t *times, size_t n)
{
	qsort(times, n, sizeof(*times), compare);
	return times[n / 2];
}

static size_t ignore(char *bytes, size_t size, size_t n, void *arg)
{
	(void)bytes, (void)arg;
	return size * n;
}

static CURL *connection(void)
{
	static char token[256], header[300];
	struct curl_slist *headers = NULL;
	CURL *curl = curl_easy_init();

	if (!curl || !fgets(token, sizeof(token), stdin))
		die("token");
	token[strcspn(token, "\n")] = '\0';
	snprintf(header, sizeof(header), "X-Vault-Token: %s", token);
	headers = curl_slist_append(curl_slist_append(headers, header), "X-Vault-Request: true");
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, ignore);
	return curl;
}

static void get(CURL *curl, const char *url)
{
	long status = 0;

	curl_easy_setopt(curl, CURLOPT_URL, url);
	if (curl_easy_perform(curl) != CURLE_OK ||
	    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status) != CURLE_OK || status != 200) {
		fprintf(stderr, "%s: %ld\n", url, status);
		exit(1);
	}
}

static void write_file(const char *path, size_t i)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "%032zu", i), fd = open(path, O_WRONLY | O_TRUNC);

	if (fd < 0 || write(fd, text, (size_t)n) != n || close(fd) < 0)
		die(path);
}

/* What a careful program does without a mount: reads the version that it replaces, then writes. */
static void get_and_post(CURL *curl, const char *url, size_t i)
{
	char body[300];

	curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
	get(curl, url);
	snprintf(body, sizeof(body), "{\"data\":{\"f0\":\"%032zu\"}}", i);
	curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS, body);
	get(curl, url);
}

static void one(CURL *curl, const char *what, const char *path, const char *url, size_t i, int mine)
{
	if (!strcmp(what, "cold") && mine)
		read_file(path);
	else if (!strcmp(what, "cold"))
		get(curl, url);
	else if (mine)
		write_file(path, i);
	else
		get_and_post(curl, url, i);
}

/* Every other secret is ours, the rest are those that are asked for without us; which comes first changes
 * each time. */
static void beside(const char *what, const char *dir, const char *url, size_t n)
{
	CURL *curl = connection();
	uint64_t *files = calloc(n, sizeof(*files)), *gets = calloc(n, sizeof(*gets));
	char path[4096], address[4096];
	size_t pairs = n / 2;

	snprintf(address, sizeof(address), "%s/s00000", url);
	get(curl, address);
	for (size_t i = 0; i < pairs; i++) {
		snprintf(path, sizeof(path), "%s/s%05zu/f0", dir, 2 * i);
		snprintf(address, sizeof(address), "%s/s%05zu", url, 2 * i + 1);
		for (int turn = 0; turn < 2; turn++) {
			int mine = (turn + (int)i) % 2;
			uint64_t begun = now();

			one(curl, what, path, address, i, mine);
			(mine ? files : gets)[i] = now() - begun;
		}
	}
	printf("%lu %lu\n", median(files, pairs), median(gets, pairs));
}

#define BATCH 50

struct team {
	pthread_barrier_t begin, end;
	const char *path; /* NULL: it is over */
	int only_stat;
};

static void batch(const struct team *t)
{
	struct stat st;

	for (int j = 0; j < BATCH; j++) {
		if (t->only_stat && stat(t->path, &st) < 0)
			die(t->path);
		else if (!t->only_stat)
			read_file(t->path);
	}
}

static void *member(void *arg)
{
	struct team *t = arg;

	for (;;) {
		pthread_barrier_wait(&t->begin);
		if (!t->path)
			return NULL;
		batch(t);
		pthread_barrier_wait(&t->end);
	}
}

/* In batches, so that a disturbance of the machine falls on all of the files alike. */
static void warm(size_t n, unsigned threads, char **paths, size_t count, int only_stat)
{
	struct team t = {.only_stat = only_stat};
	uint64_t *times[16];
	pthread_t *ids = calloc(threads, sizeof(*ids));

	pthread_barrier_init(&t.begin, NULL, threads + 1);
	pthread_barrier_init(&t.end, NULL, threads + 1);
	for (unsigned k = 0; k < threads; k++)
		if (pthread_create(&ids[k], NULL, member, &t) != 0)
			die("thread");
	for (size_t k = 0; k < count; k++) {
		times[k] = calloc(n, sizeof(uint64_t));
		read_file(paths[k]);
	}
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < count; k++) {
			uint64_t begun;

			t.path = paths[k];
			begun = now();
			pthread_barrier_wait(&t.begin);
			pthread_barrier_wait(&t.end);
			times[k][i] = (now() - begun) / BATCH;
		}
	}
	t.path = NULL;
	pthread_barrier_wait(&t.begin);
	for (unsigned k = 0; k < threads; k++)
		pthread_join(ids[k], NULL);
	for (size_t k = 0; k < count; k++)
		printf("%lu%c", median(times[k], n), k + 1 < count ? ' ' : '\n');
}

int main(int argc, char **argv)
{
	if (argc == 5 && (!strcmp(argv[1], "cold") || !strcmp(argv[1], "write")))
		beside(argv[1], argv[2], argv[3], strtoul(argv[4], NULL, 10));
	else if (argc > 4 && argc < 20)
		warm(strtoul(argv[2], NULL, 10), (unsigned)strtoul(argv[3], NULL, 10), argv + 4,
		     (size_t)argc - 4, !strcmp(argv[1], "stat"));
	else
		return 2;
	return 0;
}
