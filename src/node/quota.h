/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_QUOTA_H
#define NODE_QUOTA_H

#include "base/lock.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* A bound on bytes or things that several users hold together. If it is `shared`, a uid other than root
 * may hold no more than it leaves to all others: alone half of it, two a third each, and so on. */
struct quota {
	struct lock lock; /* guards all below */
	size_t used, max;
	bool shared;
	struct quota_share *shares; /* if shared: one for each uid that holds something */
};

void quota_init(struct quota *q, size_t max, bool shared);
void quota_fini(struct quota *q);

/* Charges or refunds the change in size of a uid's share. Returns false and changes nothing if it may
 * not grow so much. A NULL quota has no bounds. */
bool quota_move_of(struct quota *q, uid_t uid, size_t before, size_t after);

static inline bool quota_move(struct quota *q, size_t before, size_t after)
{
	return quota_move_of(q, 0, before, after);
}

#endif
