/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTROL_XATTR_H
#define CONTROL_XATTR_H

#include "tree/tree.h"

/* An attribute's value, or the list of their names, NUL after each. `text` is heap, the caller's. */
int tree_getxattr(struct tree *t, struct node *node, const char *name, const struct ask *ask,
		  char **text, struct err *err);
int tree_listxattr(struct tree *t, struct node *node, const struct ask *ask, char **names,
		   size_t *len, struct err *err);

#endif
