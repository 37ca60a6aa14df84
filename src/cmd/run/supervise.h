/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_RUN_SUPERVISE_H
#define CMD_RUN_SUPERVISE_H

#include <stdbool.h>
#include <stdint.h>

/* A program to run, and how to follow changes meanwhile. */
struct supervise {
	char **argv;
	int signal;	   /* sent to it after a change; 0: restart it */
	uint64_t interval; /* ns between two looks */
	/* Whether something has changed; updates the environment then. Runs in a thread of its own.
	 * Only hurry() is called beside it: the result is no longer needed. */
	bool (*look)(void *arg);
	void (*hurry)(void *arg);
	char **(*environment)(void *arg);
	void *arg;
};

/* Blocks the signals that we pass on in all threads; call it before the first is started. */
void supervise_block(void);

/* Runs it until it ends by itself. Returns its exit status, or -SIGNAL; 126 or 127, after printing
 * why, if it could not be started. */
int supervise_run(const struct supervise *s);

/* Becomes the program. Returns only on failure: 126 or 127, after printing why. */
int supervise_exec(char **argv, char **environment);

#endif
