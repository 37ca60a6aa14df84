// SPDX-License-Identifier: Apache-2.0
/* What is looked for at the server, gathered and compared under the tree's lock.
 *
 * What counts is what is open, what was asked for within the ttl, and what the kernel still holds for
 * somebody: of a directory of which nobody has asked anything for long the kernel is told to let go
 * (NOTICE_PROBE), and what it then still holds counts. While a change of our own is on its way nothing
 * is concluded: what the server shows may be that very change. */

#include "tree/watched.h"

#include "base/clock.h"
#include "event/feed.h"
#include "node/name.h"
#include "node/notice.h"
#include "tree/announce.h"
#include "tree/dir.h"
#include "tree/latest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct kv *watched_kv(const struct tree *t)
{
	return t->config.kv;
}

uint64_t watched_mark(const struct tree *t)
{
	return cache_mark(t->config.cache);
}

/* When what was just looked at is due again. */
static uint64_t next_due_locked(const struct tree *t, bool folder)
{
	/* In hundredths of the interval: nothing is looked at later than that; folders come before what
	 * is in them, since their listing may tell of all that; and what is looked at together drifts
	 * apart. */
	unsigned from = folder ? 72 : 82;
	uint64_t some = t->watching.interval / 5;

	return clock_mono() + t->watching.interval * from / 100 + clock_jitter(some) - some;
}

void watched_start(struct tree *t, uint64_t interval)
{
	LOCK_SCOPE(&t->lock);

	t->watching.interval = t->watching.every = interval;
}

void watched_set_pace(struct tree *t, uint64_t every)
{
	LOCK_SCOPE(&t->lock);

	t->watching.every = every;
}

/* The directory of that path in the engine, which need not be there; NULL where it is outside of the
 * mount. With a use, for the life of the mount. */
static struct dir *hold_locked(struct tree *t, const char *path, size_t len)
{
	const char *prefix = t->config.prefix;
	size_t skip = strlen(prefix);
	struct dir *d = dir_of(t->root);

	if (len < skip || strncmp(path, prefix, skip) != 0 ||
	    (skip && len > skip && path[skip] != '/'))
		return NULL;
	for (const char *at = path + skip, *end = path + len; d && at < end;) {
		char component[NAME_BYTES_MAX + 1], name[NAME_BYTES_MAX + 1];
		size_t n = strcspn(at, "/");

		n = at + n > end ? (size_t)(end - at) : n;
		if (n && n <= NAME_BYTES_MAX) {
			memcpy(component, at, n);
			component[n] = '\0';
			d = name_escape(component, n, name) < 0
				    ? NULL
				    : dir_child_locked(t, &d->node, name, component);
		}
		at += n + 1;
	}
	return d;
}

void watched_hold(struct tree *t, const char *path, size_t len)
{
	LOCK_SCOPE(&t->lock);
	struct dir *d = hold_locked(t, path, len);

	if (d)
		d->watch.hooked = d->watch.judged = true;
}

/* What is being gathered. */
struct gathering {
	struct tree *t;
	const struct watched_hooks *hooks;
	struct watched_round *to;
	uint64_t now, until;
	bool all; /* somebody reads .vault/events: all that is known counts */
};

static bool is_recent(const struct tree *t, uint64_t used, uint64_t now)
{
	uint64_t ttl = t->config.ttl, every = t->watching.interval;

	return used && now < used + (ttl > every ? ttl : every);
}

/* For whom alone it is looked at. */
static uid_t user_of_locked(const struct tree *t, const struct dir *d, uint64_t now)
{
	return d->watch.hooked || is_recent(t, d->watch.ours, now) ? 0 : d->watch.uid;
}

static void add_target_locked(struct gathering *g, struct dir *d, bool folder, uint64_t due)
{
	struct watched_round *r = g->to;

	if (r->count == r->room) {
		size_t room = r->room ? r->room * 2 : 64;
		struct watched *targets = realloc(r->targets, room * sizeof(*targets));

		if (!targets)
			return;
		r->targets = targets;
		r->room = room;
	}
	node_use_locked(&d->node);
	r->targets[r->count++] = (struct watched){.dir = d,
						  .path = d->path,
						  .folder = folder,
						  .due = due,
						  .user = user_of_locked(g->t, d, g->now)};
}

/* One that counts. It is a target if it is due in the round that begins. */
static void consider_locked(struct gathering *g, struct dir *d, bool folder)
{
	uint64_t *due = folder ? &d->watch.folder_due : &d->watch.due;

	if (!*due)
		*due = next_due_locked(g->t, folder);
	if (folder)
		g->to->folders++;
	else
		g->to->secrets++;
	if (*due <= g->until)
		add_target_locked(g, d, folder, *due);
}

static bool kernel_holds(struct dir *d)
{
	struct node *child, *next;

	if (d->node.lookups)
		return true;
	HASH_ITER (hh, d->node.children, child, next)
		if (!node_is_dir(child) && child->lookups)
			return true;
	return false;
}

static bool is_idle(const struct tree *t, const struct dir *d, uint64_t now)
{
	return !d->shown.handles && !is_recent(t, d->watch.used, now) &&
	       !is_recent(t, d->watch.listed, now);
}

static struct notice *probe_locked(struct notice *n, struct dir *parent, struct dir *d)
{
	struct notice_item *item;

	if (!n)
		n = notice_new_locked(&parent->node, HASH_COUNT(parent->node.children));
	item = n ? notice_add_locked(n, &d->node, d->node.name, false) : NULL;
	if (item)
		item->act = NOTICE_PROBE;
	return n;
}

/* Finds out which of the directories in `parent`, of which nobody has asked anything for long, the
 * kernel holds for somebody. */
static void judge_idle_locked(struct tree *t, struct dir *parent, uint64_t now)
{
	struct notice *n = NULL;
	struct node *child, *next;

	if (is_recent(t, parent->watch.listed, now))
		return;
	HASH_ITER (hh, parent->node.children, child, next) {
		struct dir *d = dir_of(child);
		struct dir_watch *w = &d->watch;

		if (!node_is_dir(child) || child->local || child->coming || child->leaving ||
		    !is_idle(t, d, now))
			continue;
		if (w->probed && w->probed > w->used && w->probed > w->listed) {
			w->held = kernel_holds(d);
		} else if (kernel_holds(d)) {
			w->probed = now;
			n = probe_locked(n, parent, d);
		}
	}
	if (!n)
		return;
	shown_noticed(&parent->shown, false);
	announce_send_locked(t, n);
}

/* Secrets that hooks are for count as long as we know of them: the kernel may forget them meanwhile. */
static bool is_hooked_locked(const struct watched_hooks *hooks, struct dir *d)
{
	if (!hooks->want)
		return false;
	if (!d->watch.judged) {
		d->watch.judged = true;
		d->watch.hooked = hooks->want(hooks->arg, d->path);
		if (d->watch.hooked)
			node_use_locked(&d->node); /* given back when the tree ends */
	}
	return d->watch.hooked;
}

/* What counts in a directory and below it. */
static void gather_locked(struct gathering *g, struct dir *d)
{
	struct tree *t = g->t;
	bool held = d->watch.held || is_hooked_locked(g->hooks, d);
	struct node *child, *next;

	if (dir_may_be_folder(d) &&
	    (held || (d->watch.listed && g->all) || is_recent(t, d->watch.listed, g->now)))
		consider_locked(g, d, true);
	if (!d->changing && dir_may_be_secret(d) &&
	    (held || (d->outline && g->all) ||
	     (d->outline && (d->shown.handles || is_recent(t, d->watch.used, g->now)))))
		consider_locked(g, d, false);
	judge_idle_locked(t, d, g->now);
	HASH_ITER (hh, d->node.children, child, next)
		if (node_is_dir(child))
			gather_locked(g, dir_of(child));
}

static int compare_due(const void *a, const void *b)
{
	const struct watched *x = a, *y = b;

	return (x->due > y->due) - (x->due < y->due);
}

void watched_gather(struct tree *t, const struct watched_hooks *hooks, uint64_t until,
		    struct watched_round *r)
{
	LOCK_SCOPE(&t->lock);
	struct gathering g = {.t = t,
			      .hooks = hooks,
			      .to = r,
			      .now = clock_mono(),
			      .until = until,
			      .all = feed_is_read(t->config.feed)};

	r->count = r->folders = r->secrets = 0;
	gather_locked(&g, dir_of(t->root));
	if (r->count)
		qsort(r->targets, r->count, sizeof(struct watched), compare_due);
	t->watching.folders = r->folders;
	t->watching.secrets = r->secrets;
}

void watched_drop(struct tree *t, const struct watched *targets, size_t count)
{
	LOCK_SCOPE(&t->lock);

	for (size_t i = 0; i < count; i++)
		node_unuse_locked(t, &targets[i].dir->node);
}

bool watched_begin(struct tree *t, const struct watched *target)
{
	LOCK_SCOPE(&t->lock);
	struct dir_watch *d = &target->dir->watch;
	uint64_t *due = target->folder ? &d->folder_due : &d->due;

	if (*due != target->due)
		return false;
	*due = next_due_locked(t, target->folder);
	return true;
}

bool watched_begin_list(struct tree *t, struct dir *d)
{
	LOCK_SCOPE(&t->lock);
	uint64_t now = clock_mono();

	if (now < d->watch.refused_until)
		return false;
	d->watch.polled = now;
	return true;
}

void watched_refuse_list(struct tree *t, struct dir *d)
{
	LOCK_SCOPE(&t->lock);

	d->watch.refused_until = clock_mono() + t->config.ttl;
}

bool watched_is_by_data(struct tree *t, struct dir *d)
{
	LOCK_SCOPE(&t->lock);

	return d->watch.by_data;
}

void watched_set_by_data(struct tree *t, struct dir *d)
{
	LOCK_SCOPE(&t->lock);

	d->watch.by_data = true;
}

void watched_learn(struct tree *t, struct dir *d, struct kv_version *v, uint64_t mark)
{
	LOCK_SCOPE(&t->lock);

	if (d->changing || d->node.gone)
		return;
	latest_learn_locked(t, d, v, SHOWN_WATCHED, mark);
	cache_drop(t->config.cache, TREE_METADATA, d->path);
}

void watched_refuse(struct tree *t, struct dir *d)
{
	LOCK_SCOPE(&t->lock);

	cache_drop(t->config.cache, TREE_DATA, d->path);
	latest_withdraw_locked(t, d, EACCES);
	d->watch.used = 0; /* until somebody asks again */
	d->watch.held = false;
}

static bool is_shown_locked(const struct dir *d, int64_t number, enum kv_state state,
			    int64_t created)
{
	const struct shown *s = &d->shown;

	return d->outline && (d->changing || (s->told && s->number == number && s->state == state &&
					      s->created == created));
}

bool watched_is_shown(struct tree *t, struct dir *d, int64_t number, enum kv_state state,
		      int64_t created)
{
	LOCK_SCOPE(&t->lock);

	return is_shown_locked(d, number, state, created);
}

static void come_locked(struct tree *t, struct dir *d, const struct kv_entry *e, uint64_t until)
{
	char name[NAME_BYTES_MAX + 1];
	struct node *known;
	struct dir *child;

	if (name_escape(e->name, strlen(e->name), name) < 0)
		return;
	known = node_child_locked(&d->node, name);
	if (known && (known->lookups || known->local || !node_is_dir(known)))
		return;
	child = dir_child_locked(t, &d->node, name, e->name);
	if (!child)
		return;
	child->kinds = e->kinds;
	child->kinds_until = until;
	announce_name_locked(t, d, child, NOTICE_APPEAR);
	node_unuse_locked(t, &child->node);
}

static bool has_local_children(const struct node *n)
{
	struct node *child, *next;

	HASH_ITER (hh, n->children, child, next)
		if (child->local || child->writers || has_local_children(child))
			return true;
	return false;
}

static void go_locked(struct tree *t, struct dir *d, const struct kv_entry *e)
{
	char name[NAME_BYTES_MAX + 1];
	struct node *known = NULL;

	if (name_escape(e->name, strlen(e->name), name) >= 0)
		known = node_child_locked(&d->node, name);
	if (!known || !node_is_dir(known) || !known->lookups || known->local || known->coming ||
	    dir_of(known)->changing || has_local_children(known))
		return;
	/* Its fields go first, with what there is to tell of them. */
	if (dir_of(known)->shown.told && dir_of(known)->shown.state == KV_LIVE)
		return;
	announce_name_locked(t, d, dir_of(known), NOTICE_LEAVE);
}

static void begin_folder_locked(struct tree *t, struct dir *d)
{
	struct kv_list *none = NULL;

	/* What is in it has come since: it is told when it is looked at. */
	if (kv_list_parse(NULL, &none) == 0)
		cache_put(t->config.cache, TREE_LIST, d->path, &none->object, 0);
	d->watch.folder_due = clock_mono();
}

static void begin_secret_locked(struct tree *t, struct dir *d)
{
	_cleanup_object_ struct kv_version *none = kv_version_empty(KV_ABSENT, 0);

	if (none && !d->shown.told)
		latest_show_locked(d, none, SHOWN_WATCHED);
	cache_drop(t->config.cache, TREE_DATA, d->path);
	d->watch.due = clock_mono();
}

/* An entry is still there, but not the same: a secret has got a folder beside it, or the other way
 * round. */
static void turn_locked(struct tree *t, struct dir *d, const struct kv_entry *e, unsigned kinds,
			uint64_t until)
{
	unsigned come = kinds & ~e->kinds;
	char name[NAME_BYTES_MAX + 1];
	struct node *known = NULL;

	if (name_escape(e->name, strlen(e->name), name) >= 0)
		known = node_child_locked(&d->node, name);
	if (!known || !node_is_dir(known) || known->local)
		return;
	dir_of(known)->kinds = kinds;
	dir_of(known)->kinds_until = until;
	if (come & KV_ENTRY_FOLDER)
		begin_folder_locked(t, dir_of(known));
	if ((come & KV_ENTRY_SECRET) && !dir_of(known)->changing)
		begin_secret_locked(t, dir_of(known));
}

static void compare_locked(struct tree *t, struct dir *d, const struct kv_list *then,
			   const struct kv_list *now, uint64_t until)
{
	bool moved = false;

	for (size_t i = 0; i < now->count; i++)
		if (!kv_list_find(then, now->entries[i].name)) {
			come_locked(t, d, &now->entries[i], until);
			moved = true;
		}
	for (size_t i = 0; i < then->count; i++) {
		const struct kv_entry *e = &then->entries[i];
		unsigned kinds = kv_list_find(now, e->name);

		if (!kinds)
			go_locked(t, d, e);
		else if (kinds != e->kinds)
			turn_locked(t, d, e, kinds, until);
		moved = moved || !kinds;
	}
	if (moved)
		dir_times_move(&d->times, clock_wall());
}

/* Secrets that hooks are for are held from now on. */
static void hold_hooked_locked(struct tree *t, const struct watched_hooks *hooks, struct dir *d,
			       const struct kv_list *now, uint64_t until)
{
	for (size_t i = 0; hooks->want && i < now->count; i++) {
		const struct kv_entry *e = &now->entries[i];
		_cleanup_free_ char *path = dir_child_path(d->path, e->name);
		char name[NAME_BYTES_MAX + 1];
		struct node *known;
		struct dir *child;

		if (!(e->kinds & KV_ENTRY_SECRET) || !path || !hooks->want(hooks->arg, path) ||
		    name_escape(e->name, strlen(e->name), name) < 0)
			continue;
		known = node_child_locked(&d->node, name);
		if (known && (!node_is_dir(known) || dir_of(known)->watch.hooked))
			continue;
		child = dir_child_locked(t, &d->node, name, e->name); /* its use is kept */
		if (!child)
			continue;
		child->kinds = e->kinds;
		child->kinds_until = until;
		child->watch.hooked = child->watch.judged = true;
	}
}

bool watched_learn_list(struct tree *t, struct dir *d, const struct watched_hooks *hooks,
			struct kv_list *now, uint64_t mark)
{
	LOCK_SCOPE(&t->lock);
	_cleanup_object_ struct kv_list *then =
		(struct kv_list *)cache_peek(t->config.cache, TREE_LIST, d->path);
	uint64_t ttl = now->count ? rules_ttl(&t->config.rules, d->path, t->config.ttl)
				  : t->config.negative_ttl;

	if (!cache_learn(t->config.cache, TREE_LIST, d->path, object_ref(&now->object), ttl, mark))
		return false;
	if (then && !d->node.gone && (d->node.lookups || !d->node.parent))
		compare_locked(t, d, then, now, clock_mono() + ttl);
	hold_hooked_locked(t, hooks, d, now, clock_mono() + ttl);
	return true;
}

/* Its own name at the server, the last component of its path. Borrowed. */
static const char *dir_component(const struct dir *d)
{
	const char *slash = strrchr(d->path, '/');

	return slash ? slash + 1 : d->path;
}

/* Something is shown of it that the listing `now` of its folder does not have, and that listing has not
 * had it looked at yet. */
static bool is_gone_locked(const struct dir *folder, struct node *child, const struct kv_list *now)
{
	const struct dir *d = dir_of(child);

	return node_is_dir(child) && !child->local && !child->coming && d->shown.told &&
	       !d->changing && d->shown.state == KV_LIVE && !kv_list_find(now, dir_component(d)) &&
	       d->watch.settled < folder->watch.polled;
}

bool watched_next_gone(struct tree *t, struct dir *d, const struct kv_list *now,
		       struct watched *out)
{
	LOCK_SCOPE(&t->lock);
	struct node *child, *next;

	HASH_ITER (hh, d->node.children, child, next) {
		if (!is_gone_locked(d, child, now))
			continue;
		dir_of(child)->watch.settled = d->watch.polled;
		*out = (struct watched){.dir = dir_of(node_use_locked(child)),
					.path = dir_of(child)->path};
		return true;
	}
	return false;
}

size_t watched_count_shown(struct tree *t, struct dir *d)
{
	LOCK_SCOPE(&t->lock);
	struct node *child, *next;
	size_t n = 0;

	HASH_ITER (hh, d->node.children, child, next)
		n += node_is_dir(child) && dir_of(child)->shown.told;
	return n;
}

void watched_learn_children(struct tree *t, struct dir *d, const struct kv_children *all)
{
	LOCK_SCOPE(&t->lock);
	struct node *child, *next;

	HASH_ITER (hh, d->node.children, child, next) {
		const struct kv_child *c;
		struct dir *secret = dir_of(child);

		if (!node_is_dir(child))
			continue;
		c = kv_children_find(all, dir_component(secret));
		if (c && is_shown_locked(secret, c->number, c->state, c->created))
			secret->watch.due = next_due_locked(t, false);
	}
}
