// SPDX-License-Identifier: Apache-2.0
/* Reading ahead. Who walks a tree (find, tar, ls -R) opens the directories of a folder in the order
 * of its listing, and waits for the server at each. At the third in a row we ask for those to come,
 * some at a time; who opens single files, or lists a folder with sizes, never sets it off, nor do
 * programs that each look at one secret.
 *
 * On a disk it is faster to go by inode number: cp -r does so, and all that walk by fts(3) (grep -r,
 * find, rm -r) in a folder of more than ten thousand. So that order is looked at too, where somebody
 * goes by no other. */

#include "node/walk.h"

#include "host/process.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define SURE 3 /* so many in a row are a walk */
#define NEAR 8 /* names that are passed over: files of the folder, or another order of sorting */

#define STRAYS	  2
#define ORDER_MAX 200000

/* The entries of a listing by inode number. */
struct walk_order {
	struct kv_list *list; /* a reference */
	uint32_t *entry;      /* at a place: which of the listing */
	uint32_t *place;      /* of an entry of the listing */
	uint32_t rows[];
};

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

struct numbered {
	uint64_t ino;
	uint32_t entry;
};

static int compare(const void *a, const void *b)
{
	const struct numbered *x = a, *y = b;

	return (x->ino > y->ino) - (x->ino < y->ino);
}

static struct walk_order *order_new(struct kv_list *list, const char *folder)
{
	size_t n = list->count;
	_cleanup_free_ struct numbered *all = calloc(n, sizeof(*all));
	struct walk_order *o = calloc(1, sizeof(*o) + 2 * n * sizeof(o->rows[0]));

	if (!all || !o) {
		free(o);
		return NULL;
	}
	o->list = object_ref(list);
	o->entry = o->rows;
	o->place = o->rows + n;
	for (uint32_t i = 0; i < n; i++)
		all[i] = (struct numbered){node_dir_ino(folder, list->entries[i].name), i};
	qsort(all, n, sizeof(*all), compare);
	for (uint32_t i = 0; i < n; i++) {
		o->entry[i] = all[i].entry;
		o->place[all[i].entry] = i;
	}
	return o;
}

static void order_free(struct walk_order *o)
{
	if (o)
		object_put(o->list);
	free(o);
}

void walk_fini(struct walk *w)
{
	order_free(steal(w->order));
}

/* Whether `i` comes a little behind where the walk is. */
static bool follows(const struct walk *w, size_t i)
{
	size_t from = w->by_ino ? w->order->place[w->at] : w->at;
	size_t to = w->by_ino ? w->order->place[i] : i;

	return to > from && to - from <= NEAR;
}

/* Whether it follows in the other of the two orders, which is then the walk's. */
static bool turns(struct walk *w, struct kv_list *list, const char *folder, size_t i)
{
	if (!w->by_ino && !w->order && w->strays >= STRAYS && list->count <= ORDER_MAX)
		w->order = order_new(list, folder);
	if (!w->by_ino && !w->order)
		return false;
	w->by_ino = !w->by_ino;
	if (follows(w, i))
		return true;
	w->by_ino = !w->by_ino;
	return false;
}

/* A listing that was had anew is another, of which only the places by name are known. */
static void forget_order(struct walk *w, const struct kv_list *list)
{
	if (!w->order || w->order->list == list)
		return;
	order_free(steal(w->order));
	if (w->by_ino)
		w->run = 0;
	w->by_ino = false;
}

static void step(struct walk *w, struct kv_list *list, const char *folder, size_t i, pid_t thread)
{
	bool same = w->walker && is_walker(w, thread);

	if (w->run && same && follows(w, i)) {
		w->run++;
	} else if (w->run && same && turns(w, list, folder, i)) {
		w->run = 2;
		w->ahead = 0;
	} else {
		w->strays = same && w->run == 1 ? w->strays + 1 : 0;
		w->run = 1;
		w->ahead = 0;
		w->by_ino = false;
		w->walker = thread;
	}
	w->at = i;
}

void walk_step_locked(struct tree *t, struct walk *w, const char *folder, const char *entry,
		      pid_t thread)
{
	LOCK_HELD(&t->lock);
	_cleanup_object_ struct kv_list *list =
		t->config.ahead ? (struct kv_list *)cache_peek(t->config.cache, TREE_LIST, folder)
				: NULL;
	size_t i = list ? kv_list_index(list, entry) : 0, place, end;

	if (!list || i == list->count || (w->run && i == w->at))
		return;
	forget_order(w, list);
	if (w->at >= list->count)
		w->run = 0;
	step(w, list, folder, i, thread);
	if (w->run < SURE)
		return;
	place = w->by_ino ? w->order->place[i] : i;
	if (w->ahead <= place)
		w->ahead = place + 1;
	end = place + 1 + t->config.ahead;
	for (; w->ahead < end && w->ahead < list->count; w->ahead++) {
		size_t next = w->by_ino ? w->order->entry[w->ahead] : w->ahead;

		if (!ask_ahead(t, folder, &list->entries[next]))
			return;
	}
}
