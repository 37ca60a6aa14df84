/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_NODE_TYPE_H
#define NODE_NODE_TYPE_H

#include "node/tree_config.h"

/* What a handle reads: bytes, and what keeps them. */
struct content {
	struct object *object;
	const char *bytes;
	size_t len;
};

struct listing;
struct access;
struct caller;
struct feed_reader;
struct written;

/* What is different between the kinds of node: a table of functions each. */
struct node_type {
	mode_t format;	/* S_IFDIR or S_IFREG */
	bool writable;	/* false: there is no way to change one */
	bool transient; /* the kernel must not remember what its name stands for */
	bool control;	/* stands in a ".vault", or is one */
	bool fields;	/* holds all fields of a secret, by their names alone */
	const struct written
		*written; /* how one is written: see edit/target.h; NULL: a field, or not at all */

	/* Owner and modes, where the configuration has a section for it. NULL: as in the directory
	 * that it is in. */
	void (*access_locked)(const struct tree *t, const struct node *n, struct access *a);

	/* The path at the server that a change goes to, and the rights of which it takes one; `below`:
	 * or a path below it. NULL: there is none. */
	const char *(*writes)(const struct node *n, unsigned *any, bool *below);

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
	/* What an open one reads in place of its content, the caller's. NULL: it has none. */
	int (*open)(struct tree *t, const struct caller *caller, struct feed_reader **out,
		    struct err *err);
	/* The names in a directory that is no folder and no secret, each by listing_add(). */
	int (*list_locked)(struct tree *t, struct node *n, const struct ask *ask,
			   struct listing *to, struct err *err);
	void (*free)(struct tree *t, struct node *n);
};

/* ".vault", as those below control/ need it: who puts the parts together hands it down. */
struct tree_control {
	/* The one of a directory, with a use. NULL: no memory. */
	struct node *(*dir_locked)(struct node *dir);
	/* What has that name in one, whether it is there yet or not, with a use. NULL: no memory. */
	struct node *(*child_locked)(struct node *control, const char *name);
	/* The type of what has that name in one. NULL: nothing has. */
	const struct node_type *(*type_of)(const char *name);
};

#endif
