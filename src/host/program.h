/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOST_PROGRAM_H
#define HOST_PROGRAM_H

#include "base/cancel.h"
#include "base/err.h"
#include "base/secret.h"

/* A process of ours that runs a shell command when it is asked to, one at a time, and has us alone read
 * what the command prints: it holds no secret itself, and neither does what it starts, since a process
 * with secrets and threads must not fork. It ends when we do, with what it runs. */
struct program;

/* Forks it: before there are threads. Commands get the environment that we have now, and their working
 * directory is `dir`, or ours where that is NULL. NULL with `err` set. */
struct program *program_new(const char *dir, struct err *err);
void program_free(struct program *p);

#define PROGRAM_WORDS 240

/* How a command has ended. */
struct program_end {
	struct secret
		*output; /* of standard output, without white space around it; NULL: nothing */
	char words[PROGRAM_WORDS]; /* the last of standard error; to be wiped */
	int how;		   /* as of waitpid(2) */
};
void program_end_fini(struct program_end *end);
#define _cleanup_program_end_ _cleanup_(program_end_fini)

/* Runs `command` by /bin/sh until it ends, of one thread at a time. 0 where it has ended by itself, be it
 * with a failure; -ETIMEDOUT: the deadline has passed; -EFBIG: more than `max` bytes came; -EINTR:
 * program_stop(); -EPIPE: the process is gone; or why it could not be started. Unless it has ended by
 * itself it is killed with its process group. `end` is filled in each case, as far as it came. */
int program_run(struct program *p, const char *command, size_t max, struct limit limit,
		struct program_end *end);

/* Ends what runs, and what would be run later, from any thread. NULL is fine. */
void program_stop(struct program *p);

#endif
