// SPDX-License-Identifier: Apache-2.0
/* An open directory: the folder's entries, the secret's fields and what exists here alone, as they
 * were at opendir(3). Listing never reads a value that it need not: the entries of a folder have no
 * size. */

#include "tree/listing.h"

#include "tree/field.h"
#include "tree/handle.h"
#include "tree/layered.h"
#include "node/name.h"
#include "node/writable.h"

#include "base/clock.h"
#include "host/process.h"

#include <errno.h>
#include <string.h>
#include <utlist.h>

#define LISTER_TIME  (NS_PER_SEC)
#define CHARGE_SHARE 8
#define REVIEWED     16 /* hidden entries that are asked for by one opendir(3) */
#define REVIEW_TIME  (5 * NS_PER_SEC)

struct listed {
	char *name;	 /* escaped, heap; NULL: `raw` is the name */
	const char *raw; /* borrowed from list or version; NULL for what is local */
	size_t raw_len;
	unsigned kinds; /* of an entry; 0: a field, or local */
	bool directory;
	uint64_t ino; /* 0: by the name */
};

struct listing {
	struct listing *prev, *next; /* in the tree's listings */
	struct node *node;
	struct kv_list *list;
	struct kv_version *version;
	uint64_t list_ttl, version_ttl;
	uint64_t opened;
	pid_t process; /* that has opened it */
	size_t count, room;
	struct listed *rows;
	uid_t uid;	/* who has opened it */
	size_t charged; /* of the tree's `listed` */
};

static struct listed *add_row(struct listing *l)
{
	struct listed *rows;

	if (l->count == l->room) {
		size_t room = l->room ? l->room * 2 : 16;

		rows = realloc(l->rows, room * sizeof(*rows));
		if (!rows)
			return NULL;
		l->rows = rows;
		l->room = room;
	}
	rows = &l->rows[l->count++];
	*rows = (struct listed){0};
	return rows;
}

static int add_named(struct listing *l, const char *raw, size_t len, unsigned kinds)
{
	char name[NAME_BYTES_MAX + 1];
	struct listed *row;

	if (name_escape(raw, len, name) < 0)
		return 0; /* too long for a directory; it is in data.json */
	row = add_row(l);
	if (!row)
		return -ENOMEM;
	*row = (struct listed){.raw = raw, .raw_len = len, .kinds = kinds, .directory = kinds != 0};
	if (strlen(raw) == len && !strcmp(raw, name))
		return 0;
	row->name = strdup(name);
	return row->name ? 0 : -ENOMEM;
}

static int add_local(struct listing *l, const struct node *n)
{
	struct listed *row = add_row(l);

	if (!row)
		return -ENOMEM;
	row->name = strdup(n->name);
	row->directory = node_is_dir(n);
	row->ino = n->ino;
	return row->name ? 0 : -ENOMEM;
}

/* What is local here may have come into being at the server meanwhile. */
static bool is_listed(const struct listing *l, const struct node *n)
{
	char raw[NAME_BYTES_MAX + 1];
	int len = name_unescape(n->name, raw);

	if (len < 0)
		return false;
	return (l->list && kv_list_find(l->list, raw)) ||
	       (l->version && kv_version_field(l->version, raw, (size_t)len));
}

/* An entry is shown unless it was removed here; to look it up tells whether it still is. */
static unsigned shown_kinds_locked(struct tree *t, const struct dir *d, const struct kv_entry *e)
{
	LOCK_HELD(&t->lock);
	_cleanup_free_ char *path = t->hidden ? dir_child_path(d->path, e->name) : NULL;

	char name[NAME_BYTES_MAX + 1];
	struct node *known;

	if (path && dir_hidden_locked(t, path))
		return 0;
	known = name_escape(e->name, strlen(e->name), name) < 0 ? NULL
								: node_child_locked(&d->node, name);
	return known && known->coming ? 0 : e->kinds;
}

static bool shows_field_locked(struct dir *d, const struct kv_version *v, const struct kv_field *f)
{
	LOCK_HELD_NAMED(LOCK_TREE);
	char name[NAME_BYTES_MAX + 1];
	struct node *n = NULL;

	if (name_escape(f->name, f->name_len, name) >= 0)
		n = node_child_locked(&d->node, name);
	if (n && (n->coming || (node_is_field(n) && field_of(n)->moved)))
		return false;
	return dir_shows_field_locked(d, v, f->name, f->name_len);
}

static int fill_locked(struct tree *t, struct listing *l)
{
	LOCK_HELD(&t->lock);
	struct dir *d = dir_of(l->node);
	struct node *child, *next;
	int r = 0;

	for (size_t i = 0; l->list && r == 0 && i < l->list->count; i++) {
		const struct kv_entry *e = &l->list->entries[i];
		unsigned kinds = shown_kinds_locked(t, d, e);

		if (kinds)
			r = add_named(l, e->name, strlen(e->name), kinds);
	}
	for (size_t i = 0; l->version && r == 0 && i < l->version->count; i++) {
		const struct kv_field *f = &l->version->fields[i];

		if (!shows_field_locked(d, l->version, f))
			continue;
		if (!l->list || memchr(f->name, '\0', f->name_len) ||
		    !kv_list_find(l->list, f->name))
			r = add_named(l, f->name, f->name_len, 0);
	}
	HASH_ITER (hh, l->node->children, child, next)
		if (r == 0 && child->local && !fields_name(child->name) && !is_listed(l, child))
			r = add_local(l, child);
	return r;
}

/* Where listing is refused: what our rights name, and what we have read. An empty list: nothing. */
static int known_locked(struct tree *t, struct dir *d, const struct ask *ask, struct kv_list **out)
{
	LOCK_HELD(&t->lock);
	struct kv *kv = t->config.kv;
	struct object *reach = NULL;
	struct node *child, *next;
	struct kv_list *list;
	int r = kv->ops->known
			? cache_get(t->config.cache, TREE_REACH, d->path, ask, &reach, NULL, NULL)
			: 0;

	object_put(reach);
	if (r == PARKED)
		return r;
	list = kv->ops->known ? kv->ops->known->named(kv, d->path) : NULL;
	if (!list && kv_list_parse(NULL, &list) < 0)
		return -ENOMEM;
	HASH_ITER (hh, d->node.children, child, next) {
		const struct dir *c = node_is_dir(child) ? dir_of(child) : NULL;
		const char *name = c ? c->path + strlen(d->path) + (*d->path ? 1 : 0) : NULL;
		struct kv_list *with;

		if (!c || !c->shown.told || c->shown.state != KV_LIVE || kv_list_find(list, name))
			continue;
		with = kv_list_with(list, name, KV_ENTRY_SECRET);
		if (with) {
			object_put(list);
			list = with;
		}
	}
	*out = list;
	return 0;
}

/* What was emptied and removed here may have been brought back elsewhere. A few are asked for at a time,
 * others the next time. */
static int review_hidden_locked(struct tree *t, struct dir *d, const struct kv_list *list,
				const struct ask *ask)
{
	LOCK_HELD(&t->lock);
	size_t turn = list->count ? clock_mono() / REVIEW_TIME * REVIEWED % list->count : 0;
	struct ask strict = *ask; /* as for a name that is absent */
	uint64_t now = clock_mono();
	size_t asked = 0;

	strict.since = now > t->config.negative_ttl ? now - t->config.negative_ttl : 0;
	for (size_t k = 0; t->hidden && asked < REVIEWED && k < list->count; k++) {
		const struct kv_entry *e = &list->entries[(turn + k) % list->count];
		_cleanup_free_ char *path = dir_child_path(d->path, e->name);
		unsigned kinds = e->kinds;

		if (!path || !dir_hidden_locked(t, path))
			continue;
		asked++;
		if (dir_review_hidden_locked(t, path, &strict, &kinds, NULL) == PARKED)
			return PARKED;
	}
	return 0;
}

/* The folder may be refused and the secret not, and the other way round. */
static int gather_locked(struct tree *t, struct listing *l, const struct ask *ask, struct err *err)
{
	LOCK_HELD(&t->lock);
	struct dir *d = dir_of(l->node);
	int a = layered_list_locked(t, d, ask, &l->list, &l->list_ttl, err), b;

	if (a == PARKED || (a < 0 && a != -EACCES))
		return a;
	b = layered_version_locked(t, d, ask, &l->version, &l->version_ttl, err);
	if (b == PARKED || (b < 0 && b != -EACCES))
		return b;
	if (a < 0) {
		int k = known_locked(t, d, ask, &l->list);

		if (k != 0)
			return k;
		if (!l->list->count && (b < 0 || l->version->state == KV_ABSENT))
			return a;
	}
	if (b < 0 && (!l->list || !l->list->count) && *d->path)
		return b;
	return l->list ? review_hidden_locked(t, d, l->list, ask) : 0;
}

int listing_add(struct listing *l, const char *name, bool directory, uint64_t ino)
{
	struct listed *row = add_row(l);

	if (!row)
		return -ENOMEM;
	row->name = strdup(name);
	row->directory = directory;
	row->ino = ino;
	return row->name ? 0 : -ENOMEM;
}

int listing_check_locked(struct tree *t, struct node *dir, const struct ask *ask, struct err *err)
{
	LOCK_HELD(&t->lock);
	struct listing l = {.node = dir};
	int r = gather_locked(t, &l, ask, err);

	object_put(l.list);
	object_put(l.version);
	return r;
}

static int fill_control_locked(struct tree *t, struct listing *l, const struct ask *ask,
			       struct err *err)
{
	LOCK_HELD(&t->lock);
	struct node *child, *next;
	int r = l->node->type->list_locked(t, l->node, ask, l, err);

	HASH_ITER (hh, l->node->children, child, next)
		if (r == 0 && child->local)
			r = add_local(l, child);
	return r;
}

/* Whether the kernel may go on with the listing that it has kept. */
static bool is_unchanged_locked(const struct tree *t, const struct listing *l)
{
	LOCK_HELD(&t->lock);
	struct dir *d = dir_of(l->node);
	struct node *child, *next;
	bool same = l->list == d->streamed && l->version && d->streamed_version &&
		    kv_version_same(l->version, d->streamed_version);

	HASH_ITER (hh, l->node->children, child, next)
		if (child->local || (node_is_field(child) && field_of(child)->moved))
			return false;
	return same && l->list && !d->removals && d->streamed_hidden == t->hidden_changes;
}

static void remember_locked(const struct tree *t, const struct listing *l)
{
	LOCK_HELD(&t->lock);
	struct dir *d = dir_of(l->node);

	object_put(d->streamed);
	object_put(d->streamed_version);
	d->streamed = object_ref(l->list);
	d->streamed_hidden = t->hidden_changes;
	/* Only its number is compared: do not hold the values. */
	d->streamed_version =
		l->version ? kv_version_empty(l->version->state, l->version->number) : NULL;
	if (d->streamed_version)
		d->streamed_version->created = l->version->created;
}

/* Rows are copies that stay until closedir(3), however often a large directory is opened. One listing
 * never counts for more than a part, so that the largest directory can be read. */
static int charge(struct tree *t, struct listing *l, struct err *err)
{
	size_t rows = l->count + 1, most = t->listed.max / CHARGE_SHARE;

	if (rows > most)
		rows = most;
	if (!quota_move_of(&t->listed, l->uid, 0, rows))
		return err_set(err, ENOMEM, "too many entries are held by open directories");
	l->charged = rows;
	return 0;
}

/* Once for each opendir(3): the first time it is asked from memory alone. */
static void note_walk_locked(struct tree *t, struct dir *d, const struct ask *ask)
{
	LOCK_HELD(&t->lock);
	struct dir *parent = d->node.parent ? dir_of(d->node.parent) : NULL;
	const char *slash = strrchr(d->path, '/');

	if (parent && !ask->waiter && ask->asker)
		walk_step_locked(t, &parent->walk, parent->path, slash ? slash + 1 : d->path,
				 ask->asker);
}

int tree_opendir(struct tree *t, struct node *dir, const struct caller *caller,
		 const struct ask *ask, struct listing **out, bool *unchanged, struct err *err)
{
	struct listing *l = calloc(1, sizeof(*l));
	int r = tree_permit(t, dir, caller, R_OK);

	*unchanged = false;
	if (!l)
		return err_set(err, ENOMEM, "no memory");
	lock_acquire(&t->lock);
	l->node = node_use_locked(dir);
	DL_APPEND(t->listings, l);
	l->opened = clock_mono();
	l->process = process_of(caller->pid);
	l->uid = caller->uid;
	if (r == 0 && dir->gone)
		r = -ENOENT;
	if (r == 0)
		r = tree_settle_locked(t, dir, ask);
	if (r == 0 && node_is_dir(dir)) {
		note_walk_locked(t, dir_of(dir), ask);
		r = gather_locked(t, l, ask, err);
		if (r == 0)
			r = fill_locked(t, l);
		if (r == 0 && t->config.rules.first) {
			dir_of(dir)->lister.process = l->process;
			dir_of(dir)->lister.until = l->opened + LISTER_TIME;
		}
		if (r == 0) {
			*unchanged = is_unchanged_locked(t, l);
			remember_locked(t, l);
		}
	} else if (r == 0) {
		r = fill_control_locked(t, l, ask, err);
	}
	lock_release(&t->lock);
	if (r == 0)
		r = charge(t, l, err);
	if (r == 0)
		*out = l;
	else
		tree_closedir(t, l);
	return r;
}

void tree_closedir(struct tree *t, struct listing *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->rows[i].name);
	free(l->rows);
	quota_move_of(&t->listed, l->uid, l->charged, 0);
	object_put(l->list);
	object_put(l->version);
	lock_acquire(&t->lock);
	DL_DELETE(t->listings, l);
	if (node_is_dir(l->node) && dir_of(l->node)->removals)
		dir_of(l->node)->removals->listed_locked(t, dir_of(l->node), l->process);
	node_unuse_locked(t, l->node);
	lock_release(&t->lock);
	free(l);
}

bool listing_is_open_locked(const struct tree *t, const struct node *dir, pid_t process)
{
	LOCK_HELD(&t->lock);
	const struct listing *l;

	DL_FOREACH (t->listings, l)
		if (l->node == dir && l->process == process && process)
			return true;
	return false;
}

/* The node of a row, with a use for the caller, or NULL. */
static struct node *row_node_locked(struct tree *t, struct listing *l, const struct listed *row,
				    const char *name)
{
	LOCK_HELD(&t->lock);
	struct node *known = node_child_locked(l->node, name);
	struct dir *d = dir_of(l->node), *c;
	struct field *f;

	if (!row->raw)
		return known ? node_use_locked(known) : NULL;
	if (row->directory) {
		c = dir_child_locked(t, l->node, name, row->raw);
		if (!c)
			return NULL;
		c->kinds = row->kinds;
		c->kinds_until = l->opened + l->list_ttl;
		return &c->node;
	}
	/* Sizes are told of the version that is shown, and of no other. */
	if (!d->shown.told || d->shown.phase != SHOWN_STEADY ||
	    d->shown.number != l->version->number)
		return NULL;
	f = field_child_locked(t, d, name, row->raw, row->raw_len);
	if (f && field_fix_locked(t, f, l->version) < 0) {
		node_unuse_locked(t, &f->node);
		f = NULL;
	}
	return f ? &f->node : NULL;
}

static void full_view_locked(struct tree *t, struct listing *l, const struct listed *row,
			     const char *name, struct view *view)
{
	LOCK_HELD(&t->lock);
	uint64_t passed = clock_mono() - l->opened;
	uint64_t ttl = row->directory ? l->list_ttl : l->version_ttl;
	struct node *n = row_node_locked(t, l, row, name);
	struct ask memory_only = {.asked = clock_mono(), .deadline = clock_mono()};
	uint64_t attr_ttl;

	if (!n)
		return;
	node_stat_locked(t, n, &view->attr);
	if (n->type->attr_locked(t, n, &memory_only, &view->attr, &attr_ttl, NULL) == 0) {
		node_finish_stat_locked(t, &view->attr);
		writable_show_locked(t, n, &view->attr);
		if (n->writers || writable_show_pending_locked(t, n))
			attr_ttl = 0;
		view->node = n;
		view->entry_ttl = ttl > passed ? ttl - passed : 0;
		view->attr_ttl = attr_ttl;
		n->lookups++;
	}
	node_unuse_locked(t, n);
}

/* Number 0 is the directory itself, 1 the one above it; above the mount there is none that is ours. */
static const char *dot_locked(const struct listing *l, size_t i, struct view *view)
{
	LOCK_HELD_NAMED(LOCK_TREE);
	const struct node *n = i == 1 && l->node->parent ? l->node->parent : l->node;

	view->attr = (struct stat){.st_mode = S_IFDIR, .st_ino = n->ino};
	return i == 0 ? "." : "..";
}

/* As stat(2) tells it. A field that was renamed has kept its number. */
static uint64_t row_ino_locked(struct listing *l, const struct listed *row, const char *name)
{
	LOCK_HELD_NAMED(LOCK_TREE);
	const struct node *known = node_child_locked(l->node, name);

	if (row->ino)
		return row->ino;
	if (known && node_is_dir(known) == row->directory)
		return known->ino;
	if (row->directory)
		return node_dir_ino(dir_of(l->node)->path, row->raw);
	return field_ino_now_locked(dir_of(l->node), row->raw, row->raw_len);
}

const char *tree_dirent(struct tree *t, struct listing *l, size_t i, bool full, struct view *view)
{
	LOCK_SCOPE(&t->lock);
	const struct listed *row;
	const char *name;

	*view = (struct view){0};
	if (i < 2)
		return dot_locked(l, i, view);
	if (i - 2 >= l->count)
		return NULL;
	row = &l->rows[i - 2];
	name = row->name ? row->name : row->raw;
	view->attr.st_mode = row->directory ? S_IFDIR : S_IFREG;
	view->attr.st_ino = row_ino_locked(l, row, name);
	if (full && node_is_dir(l->node))
		full_view_locked(t, l, row, name, view);
	return name;
}
