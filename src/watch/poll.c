// SPDX-License-Identifier: Apache-2.0
/* Looking at the server for changes that nobody has asked for yet.
 *
 * Metadata is small, has no values, and is audited as what it is; the secret itself is read only where it
 * has changed. What is found takes the same way as what a reader finds. While a change of our own is on
 * its way nothing is concluded: what the server shows may be that very change. */

#include "watch/poll.h"

#include "base/clock.h"
#include "base/log.h"
#include "event/event.h"
#include "node/name.h"
#include "node/notice.h"
#include "tree/latest.h"
#include "tree/field.h"
#include "watch/hooks.h"
#include "vault/reply.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define REFUSALS_MAX 4 /* of metadata, before nobody's is asked for any more */

uint64_t poll_next(const struct tree *t, enum poll_what what)
{
	/* In hundredths of the interval: nothing is looked at later than that; folders come before what
	 * is in them, since their listing may tell of all that; and what is looked at together drifts
	 * apart. */
	static const unsigned from[] = {[POLL_FOLDER] = 72, [POLL_SECRET] = 82};
	uint64_t some = t->watching.interval / 5;

	return clock_mono() + t->watching.interval * from[what] / 100 + clock_jitter(some) - some;
}

static struct limit limit_of(const struct poll *p)
{
	return (struct limit){.deadline = clock_mono() + p->timeout};
}

static void learn(struct tree *t, struct dir *d, struct kv_version *v, uint64_t mark)
{
	LOCK_SCOPE(&t->lock);

	if (d->changing || d->node.gone)
		return;
	latest_learn_locked(t, d, v, SHOWN_WATCHED, mark);
	cache_drop(t->config.cache, TREE_METADATA, d->path);
}

static void withdraw(struct tree *t, struct dir *d, int code)
{
	LOCK_SCOPE(&t->lock);

	cache_drop(t->config.cache, TREE_DATA, d->path);
	latest_withdraw_locked(t, d, code);
	d->watch.used = 0; /* until somebody asks again */
	d->watch.held = false;
}

static int read_secret(struct poll *p, struct dir *d)
{
	struct kv *kv = p->tree->config.kv;
	_cleanup_object_ struct kv_version *v = NULL;
	uint64_t mark = cache_mark(p->tree->config.cache);
	int r = kv->ops->read(kv, d->path, limit_of(p), &v, NULL);

	if (r == 0) {
		learn(p->tree, d, v, mark);
		return 0;
	}
	if (r == -EACCES) {
		withdraw(p->tree, d, EACCES);
		return 0;
	}
	return r;
}

static bool is_shown_locked(const struct dir *d, int64_t number, enum kv_state state,
			    int64_t created)
{
	const struct shown *s = &d->shown;

	return d->outline && (d->changing || (s->told && s->number == number && s->state == state &&
					      s->created == created));
}

static bool is_shown(struct tree *t, const struct dir *d, int64_t number, enum kv_state state,
		     int64_t created)
{
	LOCK_SCOPE(&t->lock);

	return is_shown_locked(d, number, state, created);
}

/* Whether metadata says that nothing has changed: 1; 0: something has, or it does not tell. */
static int look_at_metadata(struct poll *p, struct dir *d)
{
	struct tree *t = p->tree;
	_cleanup_object_ struct kv_version *v = NULL;
	_cleanup_json_ cJSON *metadata = NULL;
	int r = t->config.kv->ops->metadata(t->config.kv, d->path, limit_of(p), &metadata, NULL);

	if (r == -EACCES || r == -EOPNOTSUPP) {
		if (atomic_load(&p->metadata_no) != POLL_ALLOWED)
			atomic_fetch_add(&p->metadata_no, 1);
		d->watch.by_data = true;
		return 0;
	}
	if (r == -ENOENT)
		return is_shown(t, d, 0, KV_ABSENT, 0);
	if (r < 0)
		return r;
	atomic_store(&p->metadata_no, POLL_ALLOWED);
	if (kv_version_from_metadata(metadata, json_get_int(metadata, "current_version", 0), &v) <
	    0)
		return 0;
	return is_shown(t, d, v->number, v->state, v->created);
}

int poll_secret(struct poll *p, struct dir *d)
{
	int r = 0;

	if (!(kv_traits(p->tree->config.kv, d->path) & KV_FLAT) && !d->watch.by_data &&
	    atomic_load(&p->metadata_no) < REFUSALS_MAX)
		r = look_at_metadata(p, d);
	if (r != 0)
		return r < 0 ? r : 0;
	return read_secret(p, d);
}

/* Has a name appear or leave, for all to see, and tells of it. */
static void tell_name_locked(struct tree *t, struct dir *parent, struct dir *d, enum notice_act act)
{
	struct notice *n = notice_new_locked(&parent->node, 1);
	struct notice_item *item = n ? notice_add_locked(n, &d->node, d->node.name, true) : NULL;
	bool come = act == NOTICE_APPEAR;

	if (!item) {
		if (n)
			notice_free_locked(t, n);
		return;
	}
	item->act = act;
	/* Of a secret that was read its fields have told. */
	if ((d->kinds & KV_ENTRY_SECRET) && !d->outline)
		n->event = event_new(come ? EVENT_CREATED : EVENT_DELETED, item->path, d->path, 0,
				     false);
	if (come)
		d->node.coming = true;
	else
		d->node.leaving = true;
	shown_noticed(&parent->shown, false);
	t->config.changed(t->config.arg, n);
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
	tell_name_locked(t, d, child, NOTICE_APPEAR);
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
	tell_name_locked(t, d, dir_of(known), NOTICE_LEAVE);
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
static void hold_hooked_locked(const struct poll *p, struct dir *d, const struct kv_list *now,
			       uint64_t until)
{
	for (size_t i = 0; p->hooks && i < now->count; i++) {
		const struct kv_entry *e = &now->entries[i];
		_cleanup_free_ char *path = dir_child_path(d->path, e->name);
		char name[NAME_BYTES_MAX + 1];
		struct node *known;
		struct dir *child;

		if (!(e->kinds & KV_ENTRY_SECRET) || !path ||
		    !hooks_want(p->hooks, p->label, path) ||
		    name_escape(e->name, strlen(e->name), name) < 0)
			continue;
		known = node_child_locked(&d->node, name);
		if (known && (!node_is_dir(known) || dir_of(known)->watch.hooked))
			continue;
		child = dir_child_locked(p->tree, &d->node, name, e->name); /* its use is kept */
		if (!child)
			continue;
		child->kinds = e->kinds;
		child->kinds_until = until;
		child->watch.hooked = child->watch.judged = true;
	}
}

/* False where the listing is known better by now. */
static bool learn_names(const struct poll *p, struct dir *d, struct kv_list *now, uint64_t mark)
{
	struct tree *t = p->tree;
	LOCK_SCOPE(&t->lock);
	_cleanup_object_ struct kv_list *then =
		(struct kv_list *)cache_peek(t->config.cache, TREE_LIST, d->path);
	uint64_t ttl = now->count ? rules_ttl(&t->config.rules, d->path, t->config.ttl)
				  : t->config.negative_ttl;

	if (!cache_learn(t->config.cache, TREE_LIST, d->path, object_ref(&now->object), ttl, mark))
		return false;
	if (then && !d->node.gone && (d->node.lookups || !d->node.parent))
		compare_locked(t, d, then, now, clock_mono() + ttl);
	hold_hooked_locked(p, d, now, clock_mono() + ttl);
	return true;
}

/* Its own name at the server, the last component of its path. Borrowed. */
static const char *dir_component(const struct dir *d)
{
	const char *slash = strrchr(d->path, '/');

	return slash ? slash + 1 : d->path;
}

/* Secrets that the listing has no more, and of which something is shown, are looked at by themselves:
 * what a policy hides is not gone. */
static int settle_gone(struct poll *p, struct dir *d, const struct kv_list *now)
{
	struct tree *t = p->tree;
	int r, failed = 0;

	for (;;) {
		struct node *child, *next;
		struct dir *gone = NULL;

		lock_acquire(&t->lock);
		HASH_ITER (hh, d->node.children, child, next) {
			if (!gone && node_is_dir(child) && !child->local && !child->coming &&
			    dir_of(child)->shown.told && !dir_of(child)->changing &&
			    dir_of(child)->shown.state == KV_LIVE &&
			    !kv_list_find(now, dir_component(dir_of(child))) &&
			    dir_of(child)->watch.settled < d->watch.polled)
				gone = dir_of(node_use_locked(child));
		}
		if (gone)
			gone->watch.settled = d->watch.polled;
		lock_release(&t->lock);
		if (!gone)
			return failed;
		r = poll_secret(p, gone);
		lock_acquire(&t->lock);
		node_unuse_locked(t, &gone->node);
		lock_release(&t->lock);
		if (r < 0)
			failed = r;
	}
}

static size_t count_shown(struct tree *t, struct dir *d)
{
	LOCK_SCOPE(&t->lock);
	struct node *child, *next;
	size_t n = 0;

	HASH_ITER (hh, d->node.children, child, next)
		n += node_is_dir(child) && dir_of(child)->shown.told;
	return n;
}

/* OpenBao tells the versions of all secrets in a folder at once: those that are the ones that are shown
 * need not be asked for. */
static void ask_children(struct poll *p, struct dir *d)
{
	struct tree *t = p->tree;
	struct kv *kv = t->config.kv;
	_cleanup_object_ struct kv_children *all = NULL;
	struct node *child, *next;
	int r;

	if (!kv->ops->children || atomic_load(&p->plain) || count_shown(t, d) < 2)
		return;
	r = kv->ops->children(kv, d->path, limit_of(p), &all, NULL);
	if (r == -EOPNOTSUPP)
		atomic_store(&p->plain, true);
	if (r < 0)
		return;
	LOCK_SCOPE(&t->lock);
	HASH_ITER (hh, d->node.children, child, next) {
		const struct kv_child *c;
		struct dir *secret = dir_of(child);

		if (!node_is_dir(child))
			continue;
		c = kv_children_find(all, dir_component(secret));
		if (c && is_shown_locked(secret, c->number, c->state, c->created))
			secret->watch.due = poll_next(t, POLL_SECRET);
	}
}

int poll_folder(struct poll *p, struct dir *d)
{
	struct tree *t = p->tree;
	_cleanup_object_ struct kv_list *now = NULL;
	uint64_t mark = cache_mark(t->config.cache);
	int r;

	if (clock_mono() < d->watch.refused_until)
		return 0;
	d->watch.polled = clock_mono();
	r = t->config.kv->ops->list(t->config.kv, d->path, limit_of(p), &now, NULL);
	if (r == -EACCES) {
		d->watch.refused_until = clock_mono() + t->config.ttl;
		return 0;
	}
	if (r < 0)
		return r;
	/* One of those that are gone may fail by itself: the others are told of all the same. */
	r = settle_gone(p, d, now);
	if (learn_names(p, d, now, mark))
		ask_children(p, d);
	return r;
}
