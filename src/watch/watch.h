/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WATCH_WATCH_H
#define WATCH_WATCH_H

#include "base/err.h"
#include "base/pool.h"
#include "base/timer.h"

#include <stdint.h>

/* Looks every so often whether what is open, or was read of late, has changed at the server. */
struct watch;
struct tree;
struct on_change;
struct vault;

struct watch_config {
	struct tree *tree;
	struct timers *timers;
	struct pool *pool;
	const struct on_change
		*hooks;	     /* what they are for is looked at whoever has it; NULL: none */
	const char *label;   /* of the engine */
	uint64_t interval;   /* ns; 0: never */
	uint64_t timeout;    /* ns, for one request */
	unsigned rate;	     /* requests a second that the mount may make; 0: unbounded */
	unsigned parallel;   /* requests at the same time */
	struct vault *vault; /* NULL: there is no server that could fail */
};

/* NULL with `err` set. */
struct watch *watch_new(const struct watch_config *config, struct err *err);

/* Begins nothing more, and waits for what is under way: before the pool ends. NULL is fine. */
void watch_stop(struct watch *w);
/* After the timers' end. NULL is fine. */
void watch_free(struct watch *w);

#endif
