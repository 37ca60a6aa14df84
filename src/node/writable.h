/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_WRITABLE_H
#define NODE_WRITABLE_H

#include "node/node.h"

/* Whether the token may write what a node stands for. */

/* From memory; KV_REACH_UNKNOWN where that does not tell. */
enum kv_reach writable_known_locked(struct tree *t, const struct node *n);

/* Has it asked: 0 where it is known, as far as it can be; PARKED. The rules of the token are asked for
 * once, and what they leave open for some hundreds of the folder's entries at once. */
int writable_learn_locked(struct tree *t, const struct node *n, const struct ask *ask);

/* Takes `w` from the mode of what surely cannot be written; but in a mount that is shared with other
 * users the kernel checks modes, and they tell of owner and group alone. */
void writable_show_locked(struct tree *t, const struct node *n, struct stat *attr);
/* As writable_learn_locked(), where the mode is to tell of it. */
int writable_show_learn_locked(struct tree *t, const struct node *n, const struct ask *ask);
/* Whether the mode may yet change by that. */
bool writable_show_pending_locked(struct tree *t, const struct node *n);

/* The kind TREE_ENTRY_RIGHTS of the cache. */
int writable_fetch(void *source, const char *key, struct limit limit, struct cache_fetched *out,
		   struct err *err);

#endif
