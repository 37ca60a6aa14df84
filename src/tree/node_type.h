/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TREE_NODE_TYPE_H
#define TREE_NODE_TYPE_H

#include "tree/tree.h"

/* What a handle reads: bytes, and what keeps them. */
struct content {
	struct object *object;
	const char *bytes;
	size_t len;
};

/* What is different between the kinds of node: a table of functions each. */
struct node_type {
	mode_t format;	/* S_IFDIR or S_IFREG */
	bool writable;	/* false: there is no way to change one */
	bool transient; /* the kernel must not remember what its name stands for */

	/* The child of that name, as a node of which the caller has a use, and for how long that
	 * holds; -ENOENT with that too. NULL: it has none. */
	int (*lookup_locked)(struct tree *t, struct node *n, const char *name,
			     const struct ask *ask, struct node **child, uint64_t *ttl,
			     struct err *err);
	/* Size and times, and for how long they hold. */
	int (*attr_locked)(struct tree *t, struct node *n, const struct ask *ask, struct stat *attr,
			   uint64_t *ttl, struct err *err);
	/* What a file holds now. */
	int (*content_locked)(struct tree *t, struct node *n, const struct ask *ask,
			      struct content *out, struct err *err);
	void (*free)(struct tree *t, struct node *n);
};

#endif
