/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTROL_HISTORY_H
#define CONTROL_HISTORY_H

#include "tree/dir.h"

/* The old versions of a secret, as directories of files that can only be read. */
extern const struct node_type past_version_type, past_field_type;

/* A version's directory, or a field in it. */
struct past {
	struct node node;
	int64_t number;
	char *raw; /* the field's name at the server, `raw_len` bytes; NULL: the directory */
	size_t raw_len;
};

static inline struct past *past_of(struct node *n)
{
	return container_of(n, struct past, node);
}

static inline bool node_is_past(const struct node *n)
{
	return n->type == &past_version_type || n->type == &past_field_type;
}

/* "versions", the directory of them. As the calls of a node_type. */
int versions_lookup_locked(struct tree *t, struct node *n, const char *name, const struct ask *ask,
			   struct node **child, uint64_t *ttl, struct err *err);
int versions_list_locked(struct tree *t, struct node *n, const struct ask *ask, struct listing *to,
			 struct err *err);

/* A version by its number: -ENOENT where there is none. With `values` those of one that is live are
 * asked for; without them the metadata is enough, if the token may read that. As cache_get(). */
int history_get_locked(struct tree *t, struct dir *d, int64_t number, bool values,
		       const struct ask *ask, struct kv_version **out, struct err *err);

/* A version's number, as it is written in names and files: 0 or -EINVAL. */
int history_parse_number(const char *text, int64_t *number);

#endif
