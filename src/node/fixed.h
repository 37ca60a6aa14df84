/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_FIXED_H
#define NODE_FIXED_H

#include "node/node.h"

/* With fast_open nobody tells us of an open(2): what a file is, is settled when its name is looked up,
 * and never changes. What comes later is another node of that name. */
struct fixed {
	struct content content; /* object NULL: it was let go of */
	size_t len;
	struct timespec mtime;
	int64_t number, created;   /* of the version that a field is of */
	struct fixed *prev, *next; /* in the tree's, while it has its content */
};

/* Settles it. Takes the reference in `content`, also where it fails. 0 or -ENOMEM. */
int fixed_set_locked(struct tree *t, struct node *n, const struct content *content,
		     const struct timespec *mtime);

/* It was looked up again. */
void fixed_used_locked(struct tree *t, struct node *n);

/* Size and time. */
void fixed_stat(const struct node *n, struct stat *attr);

/* Lets go of all contents: we may not know these values any more. */
void fixed_release_all_locked(struct tree *t);

/* At the node's end. */
void fixed_free_locked(struct tree *t, struct node *n);

#endif
