// SPDX-License-Identifier: Apache-2.0
/* The guard writes to a connection's file when the thread that made it has died and the process has not
 * ended, and never else. The connection is a file of the test's. */

#include "unit_support.h"

#include "fs/guard.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define GLANCE (100 * NS_PER_MS)

TestSuite(guard, .init = support_init, .fini = support_fini, .timeout = 120);

/* The file of the connection that serves support_dir(), as the kernel would name it; heap. */
static char *make_connection(void)
{
	_cleanup_free_ char *dir = NULL;
	struct stat st;
	char name[64];

	cr_assert_eq(stat(support_dir(), &st), 0);
	snprintf(name, sizeof(name), "%u", major(st.st_dev) << 20 | minor(st.st_dev));
	dir = support_path(name);
	cr_assert_eq(mkdir(dir, 0700), 0);
	strcat(name, "/abort");
	return support_file(name, "", 0);
}

static size_t size_of(const char *file)
{
	struct stat st;

	cr_assert_eq(stat(file, &st), 0);
	return (size_t)st.st_size;
}

static struct guard *start(void)
{
	struct err err = {0};
	struct guard *g = guard_new(support_dir(), &err);

	cr_assert(g, "%s", err_text(&err));
	guard_watch(g, support_dir());
	return g;
}

/* The only child; 0 where there is none. */
static pid_t child(void)
{
	char file[64];
	int pid = 0;
	FILE *f;

	snprintf(file, sizeof(file), "/proc/self/task/%d/children", (int)getpid());
	f = fopen(file, "r");
	cr_assert(f);
	if (fscanf(f, "%d", &pid) != 1)
		pid = 0;
	fclose(f);
	return pid;
}

static void *hang(void *arg)
{
	for (;;)
		pause();
	return NULL;
}

Test(guard, a_process_that_cannot_end_is_cut_off)
{
	char *file = make_connection();
	uint64_t end = clock_mono() + 60 * NS_PER_SEC;
	pid_t daemon = fork();

	if (daemon == 0) {
		pthread_t thread;

		start();
		if (pthread_create(&thread, NULL, hang, NULL) != 0)
			_exit(1);
		pthread_exit(NULL);
	}
	while (size_of(file) == 0 && clock_mono() < end)
		support_sleep(NS_PER_MS);
	cr_assert_eq(size_of(file), 1);
	cr_assert_eq(waitpid(daemon, NULL, WNOHANG), 0);
	kill(daemon, SIGKILL);
	waitpid(daemon, NULL, 0);
	free(file);
}

Test(guard, an_ordered_end_and_signals_of_others_are_left_alone)
{
	static const int signals[] = {SIGHUP, SIGINT, SIGTERM};
	char *file = make_connection();
	struct guard *g = start();
	pid_t pid = child();

	cr_assert_gt(pid, 0);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		kill(pid, signals[i]);
	/* This signal reports our death, but only if the kernel sends it: then it names us. */
	if (fork() == 0) {
		kill(pid, SIGRTMIN);
		_exit(0);
	}
	wait(NULL);
	support_sleep(GLANCE);
	cr_assert_eq(kill(pid, 0), 0);
	guard_free(g);
	cr_assert_eq(child(), 0);
	cr_assert_eq(size_of(file), 0);
	free(file);
}

Test(guard, without_a_connection_to_be_had_there_is_none)
{
	struct guard *g = start();

	cr_assert_eq(child(), 0);
	guard_free(g);
}
