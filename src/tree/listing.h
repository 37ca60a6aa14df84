/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TREE_LISTING_H
#define TREE_LISTING_H

#include "tree/tree.h"

/* One directory as it was when it was opened. */
struct listing;
int tree_opendir(struct tree *t, struct node *dir, const struct caller *caller,
		 const struct ask *ask, struct listing **out, bool *unchanged, struct err *err);
void tree_closedir(struct tree *t, struct listing *l);

/* Whether the process has the directory open, as rm -r has while it removes what is in it. */
bool listing_is_open_locked(const struct tree *t, const struct node *dir, pid_t process);

/* Whether tree_opendir() would list a folder or secret: 0, PARKED or -errno. */
int listing_check_locked(struct tree *t, struct node *dir, const struct ask *ask, struct err *err);

/* For a node_type's list_locked: one more name; `ino` 0 where it does not matter. 0 or -ENOMEM. */
int listing_add(struct listing *l, const char *name, bool directory, uint64_t ino);

/* Entry number `i`, "." and ".." first, NULL past the last; its name is valid as long as `l`. With `full`
 * the view has a node and is as from tree_lookup(), without it only ino and type are set. */
const char *tree_dirent(struct tree *t, struct listing *l, size_t i, bool full, struct view *view);

#endif
