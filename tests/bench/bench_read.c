// SPDX-License-Identifier: Apache-2.0
/* The clock of tests/bench/read: does two things in turn, many times, and prints the median of each in
 * nanoseconds.
 *
 *      cold DIR URL N     token on stdin: opens, reads and closes DIR/sI/x, against a GET of URL/sI on
 *                         one kept connection
 *      warm N FILE...     opens, reads and closes each FILE
 *      stat N FILE... */

#include <curl/curl.h>
#include <fcntl.h>
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

static void cold(const char *dir, const char *url, size_t n)
{
	CURL *curl = connection();
	uint64_t *files = calloc(n, sizeof(*files)), *gets = calloc(n, sizeof(*gets));
	char path[4096], address[4096];

	snprintf(address, sizeof(address), "%s/s0", url);
	get(curl, address);
	for (size_t i = 0; i < n; i++) {
		uint64_t t[3];

		snprintf(path, sizeof(path), "%s/s%zu/x", dir, i);
		snprintf(address, sizeof(address), "%s/s%zu", url, i);
		t[0] = now();
		if (i % 2)
			get(curl, address);
		else
			read_file(path);
		t[1] = now();
		if (i % 2)
			read_file(path);
		else
			get(curl, address);
		t[2] = now();
		files[i] = i % 2 ? t[2] - t[1] : t[1] - t[0];
		gets[i] = i % 2 ? t[1] - t[0] : t[2] - t[1];
	}
	printf("%lu %lu\n", median(files, n), median(gets, n));
}

static void warm(size_t n, char **paths, size_t count, int only_stat)
{
	uint64_t *times[16];
	struct stat st;

	for (size_t k = 0; k < count; k++) {
		times[k] = calloc(n, sizeof(uint64_t));
		read_file(paths[k]);
	}
	/* In batches, so that a disturbance of the machine falls on all of them alike. */
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < count; k++) {
			uint64_t begun = now();

			for (int j = 0; j < 20; j++) {
				if (only_stat && stat(paths[k], &st) < 0)
					die(paths[k]);
				else if (!only_stat)
					read_file(paths[k]);
			}
			times[k][i] = (now() - begun) / 20;
		}
	}
	for (size_t k = 0; k < count; k++)
		printf("%lu%c", median(times[k], n), k + 1 < count ? ' ' : '\n');
}

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "cold"))
		cold(argv[2], argv[3], strtoul(argv[4], NULL, 10));
	else if (argc > 3 && argc < 19)
		warm(strtoul(argv[2], NULL, 10), argv + 3, (size_t)argc - 3,
		     !strcmp(argv[1], "stat"));
	else
		return 2;
	return 0;
}
