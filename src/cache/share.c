// SPDX-License-Identifier: Apache-2.0
/* Whose the entries are. The first who asks for something has it on its account, until another asks too:
 * then it is nobody's own, and what one user asks for alone does not push it out. Counting is left until
 * there is no room; it costs less than the request that brought the new entry. */

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

/* The row of a uid; one more is made where there is room. */
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
