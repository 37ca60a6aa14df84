/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KV_LIST_H
#define KV_LIST_H

#include "base/json.h"
#include "base/object.h"

/* The entries of one folder. Immutable once shared. Names are no secrets. */

enum { KV_ENTRY_SECRET = 1, KV_ENTRY_FOLDER = 2 }; /* both if `a` and `a/` exist */

struct kv_entry {
	const char *name; /* one path component, without a slash */
	unsigned kinds;
};

struct kv_list {
	struct object object;
	size_t count;
	struct kv_entry entries[]; /* by name, bytewise */
};

/* Whether it is an array: a tree, or a raw item with the text of one. */
bool kv_list_is(const cJSON *keys);

/* From the array "keys" of a LIST reply, a tree or raw; NULL for a folder that is empty or missing.
 * 0, -ENOMEM, or -EIO if it is no list. Drops names that no path can have. */
int kv_list_parse(const cJSON *keys, struct kv_list **out);

/* Parses one item of that array: returns its kind, and sets *name (heap; NULL: no memory). 0 for a
 * name that no path can have. */
unsigned kv_list_row(const cJSON *key, char **name);

/* A copy with one entry's kinds set to `kinds`; 0 removes it. NULL: no memory. */
struct kv_list *kv_list_with(const struct kv_list *list, const char *name, unsigned kinds);

/* The kinds of the entry of that name; 0 if there is none. */
unsigned kv_list_find(const struct kv_list *list, const char *name);

/* Its index; `count` if there is none. */
size_t kv_list_index(const struct kv_list *list, const char *name);

#endif
