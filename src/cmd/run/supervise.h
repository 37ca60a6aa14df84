/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_RUN_SUPERVISE_H
#define CMD_RUN_SUPERVISE_H

#include <stdbool.h>
#include <stdint.h>

/* A program that runs, and what is done while it does. */
struct supervise {
	char **argv;
	int signal;	   /* that tells it of a change; 0: it is started anew */
	uint64_t interval; /* ns between two looks */
	/* Whether something has changed, and the environment with it. In a thread of its own, which
	 * nothing else of these is called beside but hurry(): the answer is not wanted any more. */
	bool (*look)(void *arg);
	void (*hurry)(void *arg);
	char **(*environment)(void *arg);
	void *arg;
};

/* Takes the signals that are passed on out of the hands of all threads; before the first is started. */
void supervise_block(void);

/* Runs it until it ends by itself. Its exit status, or -SIGNAL; 126 or 127 where it could not be started,
 * having told. */
int supervise_run(const struct supervise *s);

/* Becomes the program. Comes back only where that cannot be: with 126 or 127, having told. */
int supervise_exec(char **argv, char **environment);

#endif
