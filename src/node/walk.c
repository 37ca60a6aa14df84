// SPDX-License-Identifier: Apache-2.0
/* Reading ahead. Who walks a tree (grep -r, find, cp -r, tar) opens the directories of a folder in the
 * order of its listing, and waits for the server at each. At the third in a row we ask for those to
 * come, some at a time; who opens single files, or lists a folder with sizes, never sets it off, nor do
 * programs that each look at one secret. */

#include "node/walk.h"

#include "host/process.h"

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

static bool is_walker(const struct walk *w, pid_t thread)
{
	return w->walker == thread || process_of(w->walker) == process_of(thread);
}

void walk_step_locked(struct tree *t, struct walk *w, const char *folder, const char *entry,
		      pid_t thread)
{
	_cleanup_object_ struct kv_list *list =
		t->config.ahead ? (struct kv_list *)cache_peek(t->config.cache, TREE_LIST, folder)
				: NULL;
	size_t i = list ? kv_list_index(list, entry) : 0, end;

	if (!list || i == list->count || (w->run && i == w->at))
		return;
	if (w->run && i > w->at && i - w->at <= NEAR && is_walker(w, thread))
		w->run++;
	else
		*w = (struct walk){.run = 1, .walker = thread};
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
