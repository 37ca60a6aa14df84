/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOST_PROGRAM_H
#define HOST_PROGRAM_H

#include "base/cancel.h"
#include "base/err.h"
#include "base/secret.h"

/* A helper process that runs a shell command on request, one at a time; only we read the command's
 * output. A process with secrets and threads must not fork, so neither the helper nor anything that
 * it starts holds a secret. It ends when we do, together with the command. */
struct program;

/* Forks the helper; call it before there are threads. Commands get our present environment; they
 * run in `dir`, or in our directory if that is NULL. NULL with `err` set. */
struct program *program_new(const char *dir, struct err *err);
void program_free(struct program *p);

#define PROGRAM_WORDS 240

/* How a command has ended. */
struct program_end {
	struct secret *output; /* its standard output, without white space around it; NULL: empty */
	char words[PROGRAM_WORDS]; /* the end of its standard error; to be wiped */
	int how;		   /* a status of waitpid(2) */
};
void program_end_fini(struct program_end *end);
#define _cleanup_program_end_ _cleanup_(program_end_fini)

/* Runs `command` by /bin/sh until it ends; only one thread may call it at a time. 0 if it ended by
 * itself, even with a failure; -ETIMEDOUT: the deadline has passed; -EFBIG: it printed more than
 * `max` bytes; -EINTR: program_stop(); -EPIPE: the helper is gone; or why it could not be started.
 * Unless it ended by itself it is killed with its process group. `end` is filled in any case, as
 * far as it came. */
int program_run(struct program *p, const char *command, size_t max, struct limit limit,
		struct program_end *end);

/* Ends the current command and refuses later ones, from any thread. NULL is fine. */
void program_stop(struct program *p);

#endif
