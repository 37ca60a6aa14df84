/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TREE_CONTROL_DIR_H
#define TREE_CONTROL_DIR_H

#include "tree/dir.h"

/* What the tree needs to know of ".vault", of which the files are control/'s. */

static inline bool node_is_control(const struct node *n)
{
	return n->type->control;
}

static inline bool node_is_fields(const struct node *n)
{
	return n->type->fields;
}

/* Whether it is a ".vault" itself. */
static inline bool node_is_control_dir(const struct node *n)
{
	return n->type->control && n->parent && node_is_dir(n->parent);
}

/* The directory in which ".vault" stands, for anything within; NULL for other nodes. */
static inline struct dir *control_owner(struct node *n)
{
	bool within = false;

	for (; n && !node_is_dir(n); n = n->parent)
		within = within || n->type->control;
	return n && within ? dir_of(n) : NULL;
}

#endif
