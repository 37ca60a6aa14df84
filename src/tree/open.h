/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TREE_OPEN_H
#define TREE_OPEN_H

#include "tree/tree.h"

struct handle;

/* Opens for reading. Where `direct` is set the kernel must not keep pages of it. */
int tree_open(struct tree *t, struct node *node, const struct caller *caller, const struct ask *ask,
	      struct handle **out, bool *direct, struct err *err);

/* What a read at `offset` yields: up to `size` bytes, in memory that `pin` (to be object_put())
 * keeps. */
int tree_read(struct tree *t, struct handle *h, size_t offset, size_t size, const char **bytes,
	      size_t *len, struct object **pin);

/* For handles without a draft. */
void tree_release(struct tree *t, struct handle *h);

#endif
