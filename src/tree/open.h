/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TREE_OPEN_H
#define TREE_OPEN_H

#include "node/node_type.h"
#include "tree/tree.h"

struct handle;
struct feed_reader;

/* Opens for reading. Where `direct` is set the kernel must not keep pages of it. */
int tree_open(struct tree *t, struct node *node, const struct caller *caller, const struct ask *ask,
	      struct handle **out, bool *direct, struct err *err);

/* What a read at `offset` yields: up to `size` bytes, in memory that `pin` (to be object_put())
 * keeps. */
int tree_read(struct tree *t, struct handle *h, size_t offset, size_t size, const char **bytes,
	      size_t *len, struct object **pin);

/* The same with fast_open, where no file is opened: of the node itself, as it was looked up. May be
 * PARKED, where what was held of it had to go. `out` has a reference. */
int tree_read_fixed(struct tree *t, struct node *n, size_t offset, size_t size,
		    const struct ask *ask, struct content *out, struct err *err);

/* Of a handle on .vault/events; NULL for others. */
struct feed_reader *tree_reader(const struct handle *h);

/* For handles without a draft. */
void tree_release(struct tree *t, struct handle *h);

#endif
