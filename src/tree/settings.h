/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TREE_SETTINGS_H
#define TREE_SETTINGS_H

#include "base/buf.h"
#include "tree/dir.h"

/* What a secret's metadata holds that users may set, as attributes. */

/* The attribute's name after this is a key of the custom metadata. */
#define SETTINGS_CUSTOM "user.vault.meta."

/* The settings of the engine, by attributes that have a name and are not listed. */
struct setting {
	const char *attribute, *name;
	enum { SETTING_NUMBER, SETTING_BOOLEAN, SETTING_DURATION } type;
};
/* By attribute, or by the server's name for it. NULL: there is none of that name. */
const struct setting *settings_find(const char *attribute);
const struct setting *settings_named(const char *name);

/* The key of custom metadata that an attribute stands for: NULL for others, and for marks of ours. */
const char *settings_custom_key(const char *attribute);

/* An attribute's text, heap, the caller's. -ENODATA where it is not set; else as cache_get(). */
int settings_text_locked(struct tree *t, struct dir *d, const char *attribute,
			 const struct ask *ask, char **text, struct err *err);

/* The attributes of the secret's custom metadata, a NUL after each, appended; none where the token
 * may not read it. 0, PARKED or -ENOMEM. */
int settings_list_locked(struct tree *t, struct dir *d, const struct ask *ask, struct buf *to);

/* The number of keys that there are in custom metadata, as far as it is known: from memory. */
size_t settings_count_locked(struct tree *t, const struct dir *d);

#endif
