/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TREE_CONTROL_H
#define TREE_CONTROL_H

#include "tree/dir.h"

/* ".vault", which stands in every directory, and what is in it. */
extern const struct node_type control_dir_type, control_file_type, document_type, environment_type,
	metadata_type, version_number_type, refresh_type, events_type, renew_type, conflicts_type;

/* The ".vault" of a directory; the caller has a use of it. As a node_type's lookup. */
int control_lookup_locked(struct tree *t, struct dir *d, struct node **child, uint64_t *ttl,
			  struct err *err);

/* The files "data.json" and "conflicts" of a directory; the caller has a use. NULL: no memory. */
struct node *control_document_locked(struct dir *d);
struct node *control_conflicts_locked(struct dir *d);

/* Whether data.json is there, and can be read: as cache_get(). -EACCES: it is, and cannot. */
int control_document_there_locked(struct tree *t, struct dir *d, const struct ask *ask,
				  struct err *err);

/* The directory in which ".vault" stands, for anything within; NULL for other nodes. */
struct dir *control_owner(struct node *n);

/* As a node_type's access_locked, for what holds values of any field of a secret. */
void control_whole_access_locked(const struct tree *t, const struct node *n, struct access *a);

/* Text that a person reads, a newline at its end. Consumes nothing. */
int control_print_json(const cJSON *json, struct buf *to);

/* The inode number of what has this name in the ".vault" of a directory. */
uint64_t control_ino(const struct dir *d, const char *name);

static inline bool node_is_control(const struct node *n)
{
	return n->type->control;
}

static inline bool node_is_document(const struct node *n)
{
	return n->type == &document_type;
}

#endif
