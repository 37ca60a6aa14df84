/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_QUOTA_H
#define BASE_QUOTA_H

#include "base/cleanup.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

/* Bytes that several may hold together. */
struct quota {
	pthread_mutex_t lock; /* guards `used` */
	size_t used, max;
};

/* Takes what somebody's share has grown by, or gives back what it has shrunk by. False, and nothing
 * done, where there is not so much left. NULL is without bounds. */
static inline bool quota_move(struct quota *q, size_t before, size_t after)
{
	if (!q)
		return true;
	LOCK_SCOPE(&q->lock);
	if (after > before && after - before > q->max - q->used)
		return false;
	q->used += after - before;
	return true;
}

#endif
