/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TREE_PERMIT_H
#define TREE_PERMIT_H

#include <stdbool.h>
#include <sys/types.h>

struct tree;
struct node;
struct err;

/* The process that asks. */
struct caller {
	uid_t uid;
	gid_t gid;
	pid_t pid; /* a thread's id; 0 where it is in a namespace that we do not see */
};

/* Whether the caller may do `mask` (R_OK, W_OK, X_OK) by owner, group and mode: 0 or -EACCES; -EROFS
 * where nobody may write. The server's policy is asked when a file is opened. */
int tree_permit(struct tree *t, struct node *node, const struct caller *caller, int mask);

/* The same with the tree's lock held, for nodes that were made or found under it. */
int tree_permit_locked(struct tree *t, struct node *node, const struct caller *caller, int mask);

/* Whether `mode` lets the file's owner, a member of its group, or another do `mask`. */
bool permit_by_mode(mode_t mode, bool owner, bool member, int mask);

/* The sentence for what they return, and `r`. */
int permit_refused(struct err *err, int r);

/* The mask that open(2) with these flags needs: O_TRUNC changes the file, whatever the access mode. */
int permit_open_mask(int flags);

#endif
