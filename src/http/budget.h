/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_BUDGET_H
#define HTTP_BUDGET_H

#include "base/cancel.h"
#include "base/lock.h"

#include <stdint.h>

struct budget_wait;

/* A token bucket: at most so many requests a second, whatever the callers do. When they want more,
 * each user gets an equal share. */
struct budget {
	struct lock lock;  /* guards all below */
	uint64_t interval; /* ns between two; 0: unbounded */
	uint64_t burst;	   /* ns that may be saved up */
	uint64_t next;	   /* clock_mono() at which the next request may go */
	uint64_t round;	   /* the highest number that was served */
	struct budget_wait *waiting;
};

/* `rate` requests a second, and a tenth of a second's worth at once; 0: unbounded. */
void budget_init(struct budget *b, unsigned rate);
void budget_fini(struct budget *b);

/* Waits for a place, in the share of limit.uid. 0; -ETIMEDOUT if none comes free before the
 * deadline; -EINTR. */
int budget_take(struct budget *b, struct limit limit);

#endif
