/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CACHE_SHARE_H
#define CACHE_SHARE_H

#include "cache/entry.h"

/* How many bytes of the cache each uid has filled. Where there is no room, the uid that has most loses
 * some, so that nobody's entries push out those of others. */
#define SHARE_COMMON ((uid_t)-2) /* of what several have asked for */
#define SHARES	     64

struct shares {
	size_t count;
	struct share {
		uid_t uid;
		size_t bytes;
	} all[SHARES]; /* the last: of those who have no row */
};

/* An entry is asked for on the account of a uid. */
void share_use(struct entry *e, uid_t uid);

/* Counts the list of entries. */
void shares_count(struct shares *s, struct entry *used);

/* Whether the entry is of the uid that has most. */
bool shares_is_surplus(const struct shares *s, const struct entry *e);
/* It goes. */
void shares_remove(struct shares *s, const struct entry *e);

#endif
