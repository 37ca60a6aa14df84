// SPDX-License-Identifier: Apache-2.0
/* A notice, its items, and what it keeps alive: it has a use of its directory and of each node that it
 * names, so that none of them goes while the kernel is being told. */

#include "node/notice.h"

#include "event/event.h"
#include "node/node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct notice *notice_new_locked(struct node *dir, size_t room)
{
	LOCK_HELD_NAMED(LOCK_TREE);
	struct notice *n = calloc(1, sizeof(*n) + room * sizeof(n->items[0]));

	if (!n)
		return NULL;
	n->room = room;
	n->dir = node_use_locked(dir);
	return n;
}

struct notice_item *notice_add_locked(struct notice *n, struct node *node, const char *name,
				      bool gone)
{
	LOCK_HELD_NAMED(LOCK_TREE);
	struct notice_item *item = &n->items[n->count];
	_cleanup_free_ char *dir = node_path_locked(n->dir);

	if (n->count == n->room || !dir)
		return NULL;
	*item = (struct notice_item){.name = strdup(name), .gone = gone};
	if (asprintf(&item->path, "%s%s%s", dir, dir[1] ? "/" : "", name) < 0)
		item->path = NULL;
	if (!item->name || !item->path) {
		free(item->name);
		free(item->path);
		return NULL;
	}
	item->node = node ? node_use_locked(node) : NULL;
	n->count++;
	return item;
}

static void end_item_locked(struct tree *t, struct notice_item *item)
{
	LOCK_HELD(&t->lock);
	struct node *n = item->node;

	free(item->name);
	free(item->path);
	if (!n)
		return;
	if (item->act == NOTICE_APPEAR)
		n->coming = false;
	if (item->act == NOTICE_LEAVE && n->leaving) {
		n->leaving = false;
		node_detach_locked(n);
	}
	node_unuse_locked(t, n);
}

void notice_free_locked(struct tree *t, struct notice *n)
{
	LOCK_HELD(&t->lock);

	for (size_t i = 0; i < n->count; i++)
		end_item_locked(t, &n->items[i]);
	node_unuse_locked(t, n->dir);
	event_free(n->event);
	free(n);
}

void notice_free(struct tree *t, struct notice *n)
{
	LOCK_SCOPE(&t->lock);

	notice_free_locked(t, n);
}
