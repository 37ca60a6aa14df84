/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CACHE_SHARE_H
#define CACHE_SHARE_H

#include "cache/entry.h"

/* The bytes of the cache that each uid has filled. When there is no room, the uid with the most
 * loses some, so that nobody's entries push out those of others. */
#define SHARE_COMMON ((uid_t)-2) /* owner of entries that several users have asked for */
#define SHARES	     64

struct shares {
	size_t count;
	struct share {
		uid_t uid;
		size_t bytes;
	} all[SHARES]; /* the last is shared by uids without a row */
};

/* Charges an entry to a uid that asks for it. */
void share_use(struct entry *e, uid_t uid);

/* Counts the list of entries. */
void shares_count(struct shares *s, struct entry *used);

/* Whether the entry belongs to the uid with the most bytes. */
bool shares_is_surplus(const struct shares *s, const struct entry *e);
/* Discounts an entry that is dropped. */
void shares_remove(struct shares *s, const struct entry *e);

#endif
