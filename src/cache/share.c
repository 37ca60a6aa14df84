// SPDX-License-Identifier: Apache-2.0
/* The user charged for an entry: the first user to ask for it, until another asks too. Then nobody
 * is, and entries of a single user do not push it out. Bytes are counted only when there is no
 * room; that costs less than the request that brought the new entry. */

#include "cache/share.h"

#include <utlist.h>

void share_use(struct entry *e, uid_t uid)
{
	if (!e->is_used)
		e->owner = uid;
	else if (e->owner != uid)
		e->owner = SHARE_COMMON;
	e->is_used = true;
}

/* The row of a uid; adds one if there is room. */
static struct share *row_of(struct shares *s, uid_t uid)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->all[i].uid == uid)
			return &s->all[i];
	if (s->count < SHARES)
		s->all[s->count++] = (struct share){.uid = uid};
	return &s->all[s->count - 1];
}

void shares_count(struct shares *s, struct entry *used)
{
	struct entry *e;

	s->count = 0;
	DL_FOREACH (used, e)
		row_of(s, e->owner)->bytes += entry_size(e);
}

bool shares_is_surplus(const struct shares *s, const struct entry *e)
{
	const struct share *most = &s->all[0], *own = &s->all[s->count - 1];

	for (size_t i = 0; i < s->count; i++) {
		if (s->all[i].bytes > most->bytes)
			most = &s->all[i];
		if (s->all[i].uid == e->owner)
			own = &s->all[i];
	}
	return own == most;
}

void shares_remove(struct shares *s, const struct entry *e)
{
	struct share *own = row_of(s, e->owner);
	size_t size = entry_size(e);

	own->bytes -= size < own->bytes ? size : own->bytes;
}
