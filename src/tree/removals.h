/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TREE_REMOVALS_H
#define TREE_REMOVALS_H

#include "node/node.h"

struct dir;

/* The process that has listed a secret, where there are rules: it may be about to remove all of it. */
struct lister {
	pid_t process;
	uint64_t until; /* clock_mono() */
};

/* What was removed and is not at the server yet; edit/removal.h. */
struct removals {
	/* Whether who asks may see the secret, without those fields: 0. Else they are removed first:
	 * PARKED. With `opens` nobody may. */
	int (*admit_locked)(struct tree *t, struct dir *d, const struct ask *ask, bool opens);
	bool (*has)(const struct removals *r, const char *raw, size_t raw_len);
	/* The process has closed the directory, and so is done with it. */
	void (*listed_locked)(struct tree *t, struct dir *d, pid_t process);
	void (*free)(struct removals *r);
};

/* Before a field or a directory is opened: what was removed in it is removed at the server. 0 or
 * PARKED. */
int tree_settle_locked(struct tree *t, struct node *n, const struct ask *ask);

/* Whether the version has that field, and it was not removed since. */
bool dir_shows_field_locked(const struct dir *d, const struct kv_version *v, const char *raw,
			    size_t len);

#endif
