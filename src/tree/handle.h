/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TREE_HANDLE_H
#define TREE_HANDLE_H

#include "tree/field.h"

struct draft;
struct feed_reader;

/* An open file. Guarded by the tree's lock but for what the draft holds. */
struct handle {
	struct node *node;
	struct content content;	    /* what it was opened on */
	bool cached;		    /* reads through the kernel's pages: sees later versions too */
	bool counted;		    /* in the secret's handles */
	struct draft *draft;	    /* NULL: open for reading only */
	bool append;		    /* O_APPEND */
	struct node *leaves;	    /* see last_close.h; NULL: nothing is left to its last close */
	uint64_t leaves_by;	    /* clock_mono() */
	struct feed_reader *reader; /* of .vault/events; NULL: of anything else */
	struct handle *prev, *next; /* in the node's drafts */
	struct handle *before, *after; /* in the tree's handles */
};

/* A new one on that node, of which it has a use. NULL: no memory. */
struct handle *handle_new_locked(struct tree *t, struct node *n);

/* Its content, its use and itself; not its draft. */
void handle_free_locked(struct tree *t, struct handle *h);

#endif
