/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TREE_FIELDS_H
#define TREE_FIELDS_H

#include "node/name.h"
#include "tree/dir.h"

/* ".vault/fields": all fields of a secret, also those that an entry of the folder hides. */
extern const struct node_type fields_type;

static inline bool node_is_fields(const struct node *n)
{
	return n->type == &fields_type;
}

/* What the node of a field is named in its directory, that is looked up as `name` there. A file of that
 * kind has a node of its own, beside the one that the directory may have for the same field. */
#define FIELDS_PREFIX ".vault/fields/"
struct fields_key {
	char text[sizeof(FIELDS_PREFIX) + NAME_BYTES_MAX];
};
struct fields_key fields_key_of(const char *name);

/* The name in ".vault/fields" of a node that is named so; NULL for others. */
const char *fields_name(const struct node *n);

#endif
