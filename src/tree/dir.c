// SPDX-License-Identifier: Apache-2.0
/* Directories: what a name in one means, asked of the server as little as can be.
 *
 * A name is an entry of the folder, or else a field of the secret. The parent's listing often says
 * that a directory is not both; then one request is saved. Where a listing is refused, the path itself
 * is asked for, so that a token with rights on one deep path gets there. */

#include "tree/dir.h"

#include "base/clock.h"
#include "tree/field.h"
#include "tree/dir_traits.h"
#include "tree/latest.h"
#include "tree/layered.h"
#include "vault/path.h"
#include "node/name.h"
#include "node/writable.h"
#include "vault/reply.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

char *dir_child_path(const char *path, const char *component)
{
	char *out;

	return asprintf(&out, "%s%s%s", path, *path ? "/" : "", component) < 0 ? NULL : out;
}

bool dir_may_be_secret(const struct dir *d)
{
	if (!*d->path)
		return false; /* the engine itself holds no fields */
	return clock_mono() >= d->kinds_until || (d->kinds & KV_ENTRY_SECRET);
}

bool dir_may_be_folder(const struct dir *d)
{
	return !*d->path || clock_mono() >= d->kinds_until || (d->kinds & KV_ENTRY_FOLDER);
}

static struct dir *dir_new(struct tree *t, struct node *parent, const char *name, char *path)
{
	struct dir *d = calloc(1, sizeof(*d));

	if (!d || !path ||
	    node_init_locked(&d->node, &dir_type, parent, name, node_dir_ino(path, "")) < 0) {
		free(path);
		free(d);
		return NULL;
	}
	d->path = path;
	d->tree = t;
	shown_init(&d->shown, &latest_ops);
	d->times = dir_times_take(&t->times, d->node.ino);
	return d;
}

struct dir *dir_new_root(struct tree *t, const char *path)
{
	LOCK_SCOPE(&t->lock);

	return dir_new(t, NULL, "", strdup(path));
}

struct dir *dir_child_locked(struct tree *t, struct node *parent, const char *name,
			     const char *component)
{
	LOCK_HELD(&t->lock);
	struct node *known = node_child_locked(parent, name);

	if (known && node_is_dir(known))
		return dir_of(node_use_locked(known));
	if (known)
		node_detach_locked(known); /* a field that an entry of that name hides now */
	return dir_new(t, parent, name, dir_child_path(dir_of(parent)->path, component));
}

static int empty_list(struct kv_list **out, struct err *err)
{
	return kv_list_parse(NULL, out) < 0 ? err_set(err, ENOMEM, "no memory") : 0;
}

void dir_asked_locked(const struct tree *t, struct dir *d, const struct ask *ask)
{
	LOCK_HELD(&t->lock);
	if (!ask->asker)
		return;
	if (ask->uid == 0 || ask->uid == t->config.uid)
		d->watch.ours = clock_mono();
	else
		d->watch.uid = ask->uid;
}

/* clock_mono() when the parent's listing said what it is. Made here, it is nothing at the server until it
 * is written. */
static uint64_t kinds_told(const struct tree *t, const struct dir *d)
{
	const struct node *parent = d->node.parent;
	uint64_t ttl = parent ? rules_ttl(&t->config.rules,
					  container_of(parent, const struct dir, node)->path,
					  t->config.ttl)
			      : 0;

	if (d->node.local)
		return d->kinds_until;
	return d->kinds_until > ttl ? d->kinds_until - ttl : 0;
}

int dir_list_locked(struct tree *t, struct dir *d, const struct ask *ask, struct kv_list **out,
		    uint64_t *ttl, struct err *err)
{
	LOCK_HELD(&t->lock);
	struct object *o = NULL;
	struct kv_list *none;
	struct cache_note note;
	uint64_t now = clock_mono();
	int r;

	*ttl = 0;
	if (ask->asker) {
		d->watch.listed = now;
		d->watch.held = false;
	}
	dir_asked_locked(t, d, ask);
	if (!dir_may_be_folder(d) && kinds_told(t, d) >= ask->since) {
		*ttl = d->kinds_until - now;
		return empty_list(out, err);
	}
	if (ask->waiter && (d->kinds & ~(unsigned)LAYER_ENTRY) == KV_ENTRY_SECRET &&
	    empty_list(&none, NULL) == 0)
		cache_infer(t->config.cache, TREE_LIST, d->path, &none->object,
			    now < d->kinds_until ? kinds_told(t, d) : d->kinds_until);
	r = cache_get(t->config.cache, TREE_LIST, d->path, ask, &o, &note, err);
	/* In an outage what was known of it last still serves, as its values do. */
	if (r < 0 && reply_is_outage(-r) && (d->kinds & ~(unsigned)LAYER_ENTRY) == KV_ENTRY_SECRET)
		return empty_list(out, err);
	if (r != 0)
		return r;
	if (now < note.fresh)
		*ttl = note.fresh - now;
	*out = (struct kv_list *)o;
	return 0;
}

int dir_version_locked(struct tree *t, struct dir *d, const struct ask *ask,
		       struct kv_version **out, uint64_t *ttl, struct err *err)
{
	LOCK_HELD(&t->lock);
	uint64_t now = clock_mono();

	if (dir_may_be_secret(d) || (*d->path && kinds_told(t, d) < ask->since))
		return latest_get_locked(t, d, ask, out, ttl, err);
	*ttl = *d->path ? d->kinds_until - now : t->config.ttl;
	*out = kv_version_empty(KV_ABSENT, 0);
	return *out ? 0 : err_set(err, ENOMEM, "no memory");
}

bool dir_hidden_locked(struct tree *t, const char *path)
{
	LOCK_HELD(&t->lock);
	struct hidden *h;

	HASH_FIND_STR(t->hidden, path, h);
	return h != NULL;
}

int dir_hide_locked(struct tree *t, const char *path, const struct kv_version *latest)
{
	LOCK_HELD(&t->lock);
	struct hidden *h;

	dir_unhide_locked(t, path);
	h = calloc(1, sizeof(*h) + strlen(path) + 1);
	if (!h)
		return -ENOMEM;
	h->number = latest->number;
	h->was_live = latest->state == KV_LIVE;
	strcpy(h->path, path);
	HASH_ADD_STR(t->hidden, path, h);
	t->hidden_changes++;
	return 0;
}

void dir_unhide_locked(struct tree *t, const char *path)
{
	LOCK_HELD(&t->lock);
	struct hidden *h;

	HASH_FIND_STR(t->hidden, path, h);
	if (!h)
		return;
	HASH_DELETE(hh, t->hidden, h);
	t->hidden_changes++;
	free(h);
}

bool dir_has_entries_locked(struct tree *t, const char *path, const struct kv_list *list)
{
	LOCK_HELD(&t->lock);
	for (size_t i = 0; i < list->count; i++) {
		_cleanup_free_ char *entry = dir_child_path(path, list->entries[i].name);

		if (!entry || !dir_hidden_locked(t, entry))
			return true;
	}
	return false;
}

/* Undeleted, or written anew, by anybody. */
static bool is_back(const struct hidden *h, const struct kv_version *latest)
{
	return latest->state == KV_LIVE && (!h->was_live || latest->number > h->number);
}

int dir_review_hidden_locked(struct tree *t, const char *path, const struct ask *ask,
			     unsigned *kinds, struct err *err)
{
	LOCK_HELD(&t->lock);
	_cleanup_object_ struct object *data = NULL, *list = NULL;
	struct hidden *h;
	unsigned left = 0;
	int r = 0;

	HASH_FIND_STR(t->hidden, path, h);
	if (!h)
		return 0;
	if (*kinds & KV_ENTRY_SECRET) {
		r = cache_get(t->config.cache, TREE_DATA, path, ask, &data, NULL, err);
		if (r != 0)
			return r;
		if (is_back(h, container_of(data, struct kv_version, object)))
			left |= KV_ENTRY_SECRET;
	}
	if (*kinds & KV_ENTRY_FOLDER) {
		r = cache_get(t->config.cache, TREE_LIST, path, ask, &list, NULL, err);
		if (r != 0)
			return r;
		if (dir_has_entries_locked(t, path, container_of(list, struct kv_list, object)))
			left |= KV_ENTRY_FOLDER;
	}
	*kinds = left;
	if (left)
		dir_unhide_locked(t, path);
	return 0;
}

/* What the folder's listing says of a name: kinds, 0 for nothing. */
static int listed_locked(struct tree *t, struct dir *d, const char *raw, const struct ask *ask,
			 unsigned *kinds, uint64_t *ttl, struct err *err)
{
	LOCK_HELD(&t->lock);
	_cleanup_object_ struct kv_list *list = NULL;
	_cleanup_free_ char *path = dir_child_path(d->path, raw);
	int r = dir_list_locked(t, d, ask, &list, ttl, err);

	if (r != 0)
		return r;
	if (!path)
		return err_set(err, ENOMEM, "no memory");
	*kinds = kv_list_find(list, raw);
	return dir_review_hidden_locked(t, path, ask, kinds, err);
}

/* Below a secret that we can read and write there is seldom more than what a policy names; and a name
 * that is always there is one by which no field can be made. */
static bool is_doubtful(struct tree *t, const struct dir *d, const char *raw)
{
	struct kv *kv = t->config.kv;
	_cleanup_object_ struct kv_list *named =
		kv->ops->known ? kv->ops->known->named(kv, d->path) : NULL;

	return named && !kv_list_find(named, raw) &&
	       writable_known_locked(t, &d->node) == KV_REACH_YES;
}

/* Where listings are refused: whether there is something to be had at a path, or below it. */
static int reached_locked(struct tree *t, struct dir *d, const char *raw, const struct ask *ask,
			  bool is_secret, unsigned *kinds, struct err *err)
{
	LOCK_HELD(&t->lock);
	_cleanup_free_ char *path = dir_child_path(d->path, raw);
	_cleanup_object_ struct object *data = NULL, *reach = NULL;
	int r, refused = 0;

	*kinds = 0;
	if (!path)
		return err_set(err, ENOMEM, "no memory");
	r = cache_get(t->config.cache, TREE_DATA, path, ask, &data, NULL, err);
	if (r == PARKED || (r < 0 && r != -EACCES))
		return r;
	refused = r;
	if (r == 0 && ((struct kv_version *)data)->state != KV_ABSENT) {
		*kinds = KV_ENTRY_SECRET | KV_ENTRY_FOLDER;
		return 0;
	}
	r = cache_get(t->config.cache, TREE_REACH, path, ask, &reach, NULL, err);
	if (r != 0)
		return r;
	switch (((struct tree_number *)reach)->number) {
	case KV_REACH_YES:
		*kinds = is_secret && is_doubtful(t, d, raw) ? 0 : KV_ENTRY_FOLDER;
		return 0;
	case KV_REACH_UNKNOWN:
		*kinds = is_secret ? 0 : KV_ENTRY_FOLDER;
		return 0;
	default:
		return is_secret || !refused ? 0 : refused;
	}
}

static int take_dir_locked(struct tree *t, struct dir *d, const struct wanted *w,
			   const struct ask *ask, unsigned kinds, uint64_t ttl, struct node **child,
			   struct err *err)
{
	struct dir *c = dir_child_locked(t, &d->node, w->name, w->raw);

	if (!c)
		return err_set(err, ENOMEM, "no memory for a directory");
	c->kinds = kinds;
	c->kinds_until = clock_mono() + ttl;
	dir_asked_locked(t, c, ask);
	*child = &c->node;
	return 0;
}

static int take_field_locked(struct tree *t, struct dir *d, const struct wanted *w,
			     struct kv_version *v, struct node **child, struct err *err)
{
	struct field *f = field_child_locked(t, d, w->name, w->raw, w->len);

	if (!f || field_fix_locked(t, f, v) < 0) {
		if (f)
			node_unuse_locked(t, &f->node);
		return err_set(err, ENOMEM, "no memory for a file");
	}
	*child = &f->node;
	return 0;
}

int tree_settle_locked(struct tree *t, struct node *n, const struct ask *ask)
{
	LOCK_HELD(&t->lock);
	struct dir *d = node_is_dir(n)	   ? dir_of(n)
			: node_is_field(n) ? field_dir(field_of(n))
					   : NULL;

	return d && d->removals ? d->removals->admit_locked(t, d, ask, true) : 0;
}

bool dir_shows_field_locked(const struct dir *d, const struct kv_version *v, const char *raw,
			    size_t len)
{
	LOCK_HELD_NAMED(LOCK_TREE);
	if (d->removals && d->removals->has(d->removals, raw, len))
		return false;
	return kv_version_field(v, raw, len) != NULL;
}

/* One attempt: entry, else field, else -ENOENT. */
static int find_locked(struct tree *t, struct dir *d, const struct wanted *w, const struct ask *ask,
		       struct node **child, uint64_t *ttl, struct err *err)
{
	LOCK_HELD(&t->lock);
	_cleanup_object_ struct kv_version *v = NULL;
	uint64_t list_ttl = t->config.ttl, data_ttl = 0;
	unsigned kinds = 0;
	bool known_secret = *d->path && (d->kinds & KV_ENTRY_SECRET); /* once is enough */
	int l = 0, r;

	if (w->component)
		l = listed_locked(t, d, w->raw, ask, &kinds, &list_ttl, err);
	if (l == PARKED || (l < 0 && l != -EACCES))
		return l;
	*ttl = list_ttl;
	if (kinds)
		return take_dir_locked(t, d, w, ask, kinds, list_ttl, child, err);
	r = dir_version_locked(t, d, ask, &v, &data_ttl, err);
	if (r == PARKED || (r < 0 && r != -EACCES))
		return r;
	if (r == 0 && dir_shows_field_locked(d, v, w->raw, w->len)) {
		*ttl = data_ttl < list_ttl || l < 0 ? data_ttl : list_ttl;
		return take_field_locked(t, d, w, v, child, err);
	}
	if (l < 0) {
		l = reached_locked(t, d, w->raw, ask, r == 0 && v->state == KV_LIVE, &kinds, err);
		*ttl = t->config.negative_ttl;
		if (l != 0)
			return l;
		if (kinds)
			return take_dir_locked(t, d, w, ask, kinds, 0, child, err);
	}
	if (r < 0 && known_secret)
		return r; /* it may be a field, and we are not to know */
	if (r == 0 && data_ttl < *ttl)
		*ttl = data_ttl;
	return -ENOENT;
}

/* From memory, or the server's answer: see find_locked(). */
static int find_served_locked(struct tree *t, struct dir *d, const struct wanted *w,
			      const struct ask *ask, struct node *known, struct node **child,
			      uint64_t *ttl, struct err *err)
{
	LOCK_HELD(&t->lock);
	struct ask strict = *ask;
	uint64_t now = clock_mono();
	int r = find_locked(t, d, w, ask, child, ttl, err);

	/* The helper is to get to what the kernel knows, also when it would be asked for anew. */
	if (r == PARKED && known && !ask->asker) {
		*ttl = 0;
		*child = node_use_locked(known);
		return 0;
	}
	if (r != -ENOENT)
		return r;
	/* Listings and versions prove presence for as long as they are fresh, absence for less. */
	strict.since = now > t->config.negative_ttl ? now - t->config.negative_ttl : 0;
	r = find_locked(t, d, w, &strict, child, ttl, err);
	if (r == -ENOENT && *ttl > t->config.negative_ttl)
		*ttl = t->config.negative_ttl;
	return r;
}

static int dir_lookup_locked(struct tree *t, struct node *n, const char *name,
			     const struct ask *ask, struct node **child, uint64_t *ttl,
			     struct err *err)
{
	LOCK_HELD(&t->lock);
	struct dir *d = dir_of(n);
	struct node *known = node_child_locked(n, name);
	struct wanted w = {.name = name};
	uint64_t now = clock_mono();
	int len, r;

	*ttl = t->config.ttl;
	if (!strcmp(name, ".vault")) {
		*child = t->config.control->dir_locked(n);
		return *child ? 0 : err_set(err, ENOMEM, "no memory");
	}
	if (known && known->local) {
		*child = node_use_locked(known);
		return 0;
	}
	if (known && (known->coming || (node_is_field(known) && field_of(known)->moved))) {
		*ttl = 0;
		return -ENOENT;
	}
	if (known && known->leaving && !ask->asker) {
		*ttl = 0;
		*child = node_use_locked(known);
		return 0;
	}
	len = name_unescape(name, w.raw);
	if (len < 0)
		return -ENOENT;
	w.len = (size_t)len;
	w.component = path_check_component(w.raw, w.len) == 0;
	r = layered_first_locked(t, d, &w, ask, child, ttl, err);
	if (r == -ENOENT) {
		r = find_served_locked(t, d, &w, ask, known, child, ttl, err);
		r = layered_last_locked(t, d, &w, r, ask, child, ttl, err);
	}
	if (r == -ENOENT && now + *ttl > d->negatives_until)
		d->negatives_until = now + *ttl;
	return r;
}

static int dir_attr_locked(struct tree *t, struct node *n, const struct ask *ask, struct stat *attr,
			   uint64_t *ttl, struct err *err)
{
	LOCK_HELD(&t->lock);
	const struct dir *d = dir_of(n);

	dir_times_stat(&d->times, t->started, attr);
	if (!t->config.shared && (dir_traits(t, d) & KV_OUTSIDE))
		attr->st_mode &= ~(mode_t)0222;
	*ttl = t->config.ttl;
	return 0;
}

static void dir_access_locked(const struct tree *t, const struct node *n, struct access *a)
{
	LOCK_HELD(&t->lock);
	const struct dir *d = container_of(n, const struct dir, node);

	rule_access(rules_of(&t->config.rules, d->path), a);
}

static const char *dir_writes(const struct node *n, unsigned *any, bool *below)
{
	*any = KV_CREATE | KV_UPDATE | KV_PATCH;
	*below = true;
	return container_of(n, const struct dir, node)->path;
}

static void dir_free(struct tree *t, struct node *n)
{
	struct dir *d = dir_of(n);

	if (d->times.known)
		dir_times_keep(&t->times, n->ino, &d->times);
	object_put(d->streamed);
	object_put(d->streamed_version);
	walk_fini(&d->walk);
	layer_memo_fini(&d->layered_list);
	layer_memo_fini(&d->layered_version);
	shown_fini(&d->shown);
	outline_free(d->outline);
	if (d->removals)
		d->removals->free(d->removals);
	while (d->armed) {
		struct armed *a = d->armed;

		d->armed = a->next;
		free(a);
	}
	free(d->path);
	free(d);
}

const struct node_type dir_type = {
	.format = S_IFDIR,
	.writable = true,
	.access_locked = dir_access_locked,
	.writes = dir_writes,
	.lookup_locked = dir_lookup_locked,
	.attr_locked = dir_attr_locked,
	.free = dir_free,
};

/* Sets or clears kinds of an entry in the cached listing of a folder. */
static void amend_list(struct tree *t, const char *folder, const char *component, unsigned set,
		       unsigned clear)
{
	_cleanup_object_ struct kv_list *list =
		(struct kv_list *)cache_peek(t->config.cache, TREE_LIST, folder);
	unsigned old = list ? kv_list_find(list, component) : 0;
	struct kv_list *with;

	if (!list || ((old | set) & ~clear) == old)
		return;
	with = kv_list_with(list, component, (old | set) & ~clear);
	if (with)
		cache_amend(t->config.cache, TREE_LIST, folder, &with->object);
	else
		cache_drop(t->config.cache, TREE_LIST, folder);
}

int dir_make_local_locked(struct tree *t, struct dir *parent, const char *name, const char *raw,
			  uid_t uid, struct dir **out)
{
	LOCK_HELD(&t->lock);
	struct dir *d = dir_child_locked(t, &parent->node, name, raw);
	int r = d ? node_make_local_locked(t, &d->node, uid) : -ENOMEM;

	if (r < 0) {
		if (d)
			node_unuse_locked(t, &d->node);
		return r;
	}
	d->kinds = 0;
	d->kinds_until = clock_mono() + t->config.negative_ttl;
	d->times = (struct dir_times){0};
	dir_times_move(&d->times, clock_wall());
	*out = d;
	return 0;
}

void dir_appeared_locked(struct tree *t, struct dir *d)
{
	LOCK_HELD(&t->lock);
	unsigned kind = KV_ENTRY_SECRET;
	struct node *n = &d->node;

	for (; n; n = n->parent, kind = KV_ENTRY_FOLDER) {
		struct dir *here = dir_of(n);
		const char *slash = strrchr(here->path, '/');

		dir_unhide_locked(t, here->path);
		here->kinds |= kind;
		node_unlocal_locked(t, &here->node);
		if (n->parent)
			amend_list(t, dir_of(n->parent)->path, slash ? slash + 1 : here->path, kind,
				   0);
	}
}

void dir_vanished_locked(struct tree *t, struct dir *d)
{
	LOCK_HELD(&t->lock);
	const char *slash = strrchr(d->path, '/');

	d->kinds &= ~(unsigned)KV_ENTRY_SECRET;
	if (d->node.parent)
		amend_list(t, dir_of(d->node.parent)->path, slash ? slash + 1 : d->path, 0,
			   KV_ENTRY_SECRET);
}
