/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KV_CHILDREN_H
#define KV_CHILDREN_H

#include "kv/kv_version.h"

/* The entries of one folder, each with the state of its secret's latest version. Immutable once
 * shared. Names are no secrets, and there are no values. */

struct kv_child {
	char *name;	/* one path component, without a slash */
	unsigned kinds; /* KV_ENTRY_*, of kv/kv_list.h; the rest describes the secret */
	enum kv_state state;
	int64_t number;	  /* the latest version's, dead or alive; 0: there is none */
	int64_t created;  /* of that version, ns since 1970; 0: unknown */
	int64_t deletion; /* ns since 1970, may be in the future; 0: none */
};

struct kv_children {
	struct object object;
	size_t count, room;
	struct kv_child *children; /* by name, bytewise */
};

/* Fills in number, state and times from a secret's metadata. 0, -EIO if it is none, or -ENOMEM. */
int kv_child_describe(struct kv_child *child, const cJSON *metadata);

/* One without children. NULL: no memory. */
struct kv_children *kv_children_new(void);

/* Adds a page of a reply: the array "keys", and "key_info", the secrets' metadata by name. 0,
 * -ENOMEM, or -EIO if it is no such list. Drops names that no path can have. */
int kv_children_add(struct kv_children *c, const cJSON *keys, const cJSON *info);

/* Sorts them, after the last page. */
void kv_children_sort(struct kv_children *c);

/* The child of this name, or NULL. Borrowed from `c`. */
const struct kv_child *kv_children_find(const struct kv_children *c, const char *name);

#endif
