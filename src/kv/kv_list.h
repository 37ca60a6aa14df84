/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KV_LIST_H
#define KV_LIST_H

#include "base/json.h"
#include "base/object.h"

/* The entries of one folder. Never changed once it is shared. Names are no secrets. */

enum { KV_ENTRY_SECRET = 1, KV_ENTRY_FOLDER = 2 }; /* both, where `a` and `a/` exist */

struct kv_entry {
	const char *name; /* one path component, without a slash */
	unsigned kinds;
};

struct kv_list {
	struct object object;
	size_t count;
	struct kv_entry entries[]; /* by name, bytewise */
};

/* Whether it is an array: a tree, or the text of one in a raw item. */
bool kv_list_is(const cJSON *keys);

/* From the array "keys" of a LIST reply, of either kind; NULL for a folder that is empty or not there.
 * 0, -ENOMEM, or -EIO for what is no list. Names that no path can have are left out. */
int kv_list_parse(const cJSON *keys, struct kv_list **out);

/* One row of that array: its kind, and in *name (heap; NULL: no memory) what it is called; 0 for a name
 * that no path can have. */
unsigned kv_list_row(const cJSON *key, char **name);

/* A list with one entry's kinds set to `kinds`, 0 to leave it out. NULL: no memory. */
struct kv_list *kv_list_with(const struct kv_list *list, const char *name, unsigned kinds);

/* The kinds of the entry of that name, 0 where there is none. */
unsigned kv_list_find(const struct kv_list *list, const char *name);

/* Its place; `count` where there is none. */
size_t kv_list_index(const struct kv_list *list, const char *name);

#endif
