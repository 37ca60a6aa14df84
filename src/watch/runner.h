/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WATCH_RUNNER_H
#define WATCH_RUNNER_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A process of ours that runs commands, since one with threads and secrets must not fork: it holds no
 * secret, its children inherit none, and it ends when we do. */
struct runner;

/* Forks it: before there are threads, after secret memory is locked. NULL with `err` set. */
struct runner *runner_new(struct err *err);

/* Ends it, with what it runs. NULL is fine. */
void runner_free(struct runner *r);

/* To poll(2) on for runner_next(). */
int runner_fd(const struct runner *r);

/* What to do: a command with an environment (both NULL-terminated), or a signal to the process whose
 * number is in a file. */
struct runner_task {
	uint32_t id; /* of the caller's */
	char *const *words;
	char *const *environment;
	int signal;
	const char *pid_file;
	uint64_t timeout; /* ns */
};

/* Starts it. 0 or -errno. Never blocks. */
int runner_start(struct runner *r, const struct runner_task *task);

/* How one has ended. */
struct runner_end {
	uint32_t id;
	int error; /* errno: it could not be begun; 0: it was */
	int how;   /* as of waitpid(2) */
	bool late; /* it was ended since its time was over */
};

/* 1; 0 where there is none now; -EPIPE where the process has ended. */
int runner_next(struct runner *r, struct runner_end *end);

#endif
