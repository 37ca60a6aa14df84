// SPDX-License-Identifier: Apache-2.0
/* Reading ahead. Who walks a tree (grep -r, find, cp -r, tar) opens the directories of a folder in the
 * order of its listing, and waits for the server at each. At the third in a row we ask for those to
 * come, some at a time; who opens single files, or lists a folder with sizes, never sets it off. */

#include "node/walk.h"

#include <errno.h>
#include <stdio.h>

#define SURE 3 /* so many in a row are a walk */
#define NEAR 8 /* names that are passed over: files of the folder, or another order of sorting */

static bool ask_ahead(struct tree *t, const char *folder, const struct kv_entry *e)
{
	_cleanup_free_ char *path = NULL;

	if (asprintf(&path, "%s%s%s", folder, *folder ? "/" : "", e->name) < 0) {
		path = NULL;
		return false;
	}
	if ((e->kinds & KV_ENTRY_FOLDER) && !cache_ahead(t->config.cache, TREE_LIST, path))
		return false;
	return !(e->kinds & KV_ENTRY_SECRET) || cache_ahead(t->config.cache, TREE_DATA, path);
}

void walk_step_locked(struct tree *t, struct walk *w, const char *folder, const char *entry)
{
	_cleanup_object_ struct kv_list *list =
		t->config.ahead ? (struct kv_list *)cache_peek(t->config.cache, TREE_LIST, folder)
				: NULL;
	size_t i = list ? kv_list_index(list, entry) : 0, end;

	if (!list || i == list->count || (w->run && i == w->at))
		return;
	if (w->run && i > w->at && i - w->at <= NEAR)
		w->run++;
	else
		*w = (struct walk){.run = 1};
	w->at = i;
	if (w->run < SURE)
		return;
	if (w->ahead <= i)
		w->ahead = i + 1;
	end = i + 1 + t->config.ahead;
	for (; w->ahead < end && w->ahead < list->count; w->ahead++)
		if (!ask_ahead(t, folder, &list->entries[w->ahead]))
			return;
}
