/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TREE_LAST_CLOSE_H
#define TREE_LAST_CLOSE_H

#include "tree/handle.h"

/* Commits that are left to the last close of a file. close(2) has returned by then, so that whatever is
 * done next to the file waits for them. All under the tree's lock. */

/* Something written to the file `n` through the handle is not committed, and its last close may be on its
 * way to us: for a moment that counts as if it had come. */
void last_close_expect_locked(struct tree *t, struct handle *h, struct node *n);
/* It has come. */
void last_close_begin_locked(struct tree *t, struct handle *h, struct node *n);
/* Nothing is left to it any more. The result goes to waitq_wake() without the lock. */
struct waitq last_close_end_locked(struct tree *t, struct handle *h);

/* 0 where nothing concerns the node, else PARKED. For a directory any of its fields does. Those who do
 * not matter (ask->asker) never wait. */
int last_close_wait_locked(struct tree *t, struct node *n, const struct ask *ask);

#endif
