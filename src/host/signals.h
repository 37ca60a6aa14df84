/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOST_SIGNALS_H
#define HOST_SIGNALS_H

#include "base/err.h"

#include <pthread.h>
#include <stdbool.h>

/* SIGTERM, SIGINT and SIGHUP as calls from a thread of their own, which may do anything. */
struct signals {
	void (*terminate)(void *arg); /* SIGTERM, SIGINT; called at most once */
	void (*reload)(void *arg);    /* SIGHUP */
	void *arg;
	pthread_t thread;
};

/* Blocks them in the calling thread and in those that it starts: call it before the first one. */
void signals_block(void);

/* 0 or -errno. */
int signals_start(struct signals *s, struct err *err);

/* On return no call is under way, and none will come. */
void signals_stop(struct signals *s);

#endif
