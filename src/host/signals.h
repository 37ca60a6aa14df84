/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOST_SIGNALS_H
#define HOST_SIGNALS_H

#include "base/err.h"

#include <pthread.h>
#include <stdbool.h>

/* SIGTERM, SIGINT and SIGHUP as calls from a thread of their own, in which everything may be done. */
struct signals {
	void (*terminate)(void *arg); /* SIGTERM, SIGINT; comes once at most */
	void (*reload)(void *arg);    /* SIGHUP */
	void *arg;
	pthread_t thread;
};

/* Blocks them in the calling thread and in those that it starts: before the first. */
void signals_block(void);

/* 0 or -errno. */
int signals_start(struct signals *s, struct err *err);

/* After it no call is under way, and none comes. */
void signals_stop(struct signals *s);

#endif
