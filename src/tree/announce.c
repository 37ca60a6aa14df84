// SPDX-License-Identifier: Apache-2.0
/* What it means to the kernel, to those who wait for changes, and to readers of .vault/events that
 * another version of a secret is shown.
 *
 * The kernel is told of each field that it knows, and of names that it may remember as absent. Others are
 * told of what they can have seen before: an outline is kept of the version that they were told of last,
 * and what differs from it makes the event, and the acts that inotify(7) tells of. */

#include "tree/announce.h"

#include "base/clock.h"
#include "event/event.h"
#include "node/name.h"
#include "node/notice.h"
#include "tree/field.h"
#include "tree/layered.h"

#include <errno.h>
#include <string.h>
#include <utlist.h>

/* What a notice is made from: the version, and what others are to be told of it. */
struct telling {
	const struct kv_version *v; /* NULL: nothing is shown now */
	struct outline *now;	    /* NULL: nothing is told */
	bool acts, appears;	    /* whether by inotify; whether new names can be */
};

/* A name of which the kernel knows nothing but perhaps that it was absent. */
static void add_new_name(struct tree *t, struct notice *n, struct dir *d,
			 const struct telling *told, const struct kv_field *f, const char *name,
			 struct node *known)
{
	bool dir_known = d->node.lookups || !d->node.parent, fresh;
	struct notice_item *item;
	struct field *field;

	fresh = told->appears && dir_known && !outline_has(d->outline, f->name, f->name_len) &&
		(!known || node_is_field(known));
	if (!fresh) {
		if (clock_mono() < d->negatives_until)
			notice_add_locked(n, NULL, name, false);
		return;
	}
	field = field_child_locked(t, d, name, f->name, f->name_len);
	item = field ? notice_add_locked(n, &field->node, name, false) : NULL;
	if (item) {
		item->act = NOTICE_APPEAR;
		field->node.coming = true;
	}
	if (field)
		node_unuse_locked(t, &field->node);
}

static void add_new_names(struct tree *t, struct notice *n, struct dir *d,
			  const struct telling *told)
{
	char name[NAME_BYTES_MAX + 1];

	for (size_t i = 0; i < told->v->count; i++) {
		const struct kv_field *f = &told->v->fields[i];
		struct node *known;

		if (name_escape(f->name, f->name_len, name) < 0)
			continue;
		known = node_child_locked(&d->node, name);
		if (!known || !known->lookups)
			add_new_name(t, n, d, told, f, name, known);
	}
}

/* With fast_open: the name will stand for another node, of the version `v`, and what is open stays what
 * it is; with none it is to be given up too. */
static void add_fixed(struct notice *n, struct dir *d, struct node *child, bool replaced)
{
	struct notice_item *item = notice_add_locked(n, child, child->name, true);

	if (item)
		item->kept = replaced;
	if (replaced)
		node_detach_locked(child);
}

static void add_known_field(struct tree *t, struct notice *n, struct dir *d,
			    const struct telling *told, struct field *f)
{
	const struct kv_version *v = told->v;
	bool gone = v && !kv_version_field(v, f->raw, f->raw_len) && !layered_has(t, f);
	struct kv_field other;
	struct notice_item *item = notice_add_locked(n, &f->node, f->node.name, gone);

	f->node.leaving = false;
	if (item && told->acts && gone && !f->node.writers && !fields_name(f->node.name)) {
		item->act = NOTICE_LEAVE;
		f->node.leaving = true; /* it keeps its name until that is removed */
		return;
	}
	if (item && told->acts && !gone && layered_field(t, f, 0, &other) == LAYER_NONE &&
	    outline_differs(d->outline, told->now, f->raw, f->raw_len))
		item->act = NOTICE_TOUCH;
	if (gone && !f->node.writers)
		node_detach_locked(&f->node);
}

/* The whole secret as one file, where somebody has looked at it. */
static void add_document(struct notice *n, struct dir *d, const struct telling *told)
{
	struct node *control = node_child_locked(&d->node, ".vault");
	struct node *document = control ? node_child_locked(control, "data.json") : NULL;
	struct notice_item *item;

	if (!told->acts || !document || !document->lookups || told->v->state != KV_LIVE)
		return;
	item = notice_add_locked(n, document, ".vault/data.json", false);
	if (item)
		item->act = NOTICE_TOUCH;
}

static int add_event_fields(struct event *e, const struct outline *from, const struct outline *a,
			    const struct outline *b, bool both)
{
	char name[NAME_BYTES_MAX + 1];
	const char *raw;
	size_t at = 0, len;
	int r = 0;

	while (r == 0 && (raw = outline_next(from, &at, &len))) {
		if (!outline_differs(a, b, raw, len) || (both && outline_has(a, raw, len)) ||
		    name_escape(raw, len, name) < 0)
			continue;
		r = event_add_field(e, name);
	}
	return r;
}

/* What has happened since others were told last. NULL: nothing that they could see. */
static struct event *make_event(struct dir *d, const struct telling *told, bool local)
{
	const struct outline *before = d->outline;
	bool was = outline_state(before) == KV_LIVE, is = told->v->state == KV_LIVE;
	_cleanup_free_ char *path = node_path_locked(&d->node);
	enum event_kind kind = !was ? EVENT_CREATED : is ? EVENT_CHANGED : EVENT_DELETED;
	struct event *e;

	if ((!was && !is) || !path || outline_is_moved(before, told->now))
		return NULL;
	e = event_new(kind, path, d->path, told->v->number, local);
	if (e && (add_event_fields(e, before, before, told->now, false) < 0 ||
		  add_event_fields(e, told->now, before, told->now, true) < 0)) {
		event_free(e);
		return NULL;
	}
	return e;
}

/* Whether others are to be told, and then what. */
static struct telling tell_locked(struct tree *t, struct dir *d, const struct kv_version *v,
				  enum shown_origin origin, struct event **event)
{
	LOCK_HELD(&t->lock);
	struct shown *s = &d->shown;
	struct telling told = {.v = v};

	if (!v || !t->digests)
		return told;
	if (d->outline && outline_is_of(d->outline, v)) {
		s->unannounced = false;
		return told;
	}
	/* It may be the very version that we are making: who makes it will tell. */
	if (d->changing && (origin == SHOWN_SEEN || origin == SHOWN_WATCHED) && d->outline) {
		s->unannounced = true;
		return told;
	}
	s->unannounced = false;
	told.now = outline_new(t->digests, v);
	if (!told.now || (!d->outline && origin != SHOWN_LOCAL))
		return told; /* what is looked at for the first time has not changed */
	told.acts = origin != SHOWN_LOCAL && !t->config.fast_open;
	told.appears = origin == SHOWN_WATCHED && told.acts;
	*event = make_event(d, &told, origin == SHOWN_LOCAL);
	return told;
}

static void fill_notice(struct tree *t, struct notice *n, struct dir *d, const struct telling *told)
{
	bool fast = t->config.fast_open;
	struct node *child, *next;

	HASH_ITER (hh, d->node.children, child, next) {
		if (!node_is_field(child) || child->local || !child->lookups)
			continue;
		if (fast)
			add_fixed(n, d, child, told->v != NULL);
		else
			add_known_field(t, n, d, told, field_of(child));
	}
	if (fast && !told->v)
		DL_FOREACH (d->node.removed, child)
			if (node_is_field(child) && child->lookups)
				add_fixed(n, d, child, false);
	if (told->v) {
		add_document(n, d, told);
		add_new_names(t, n, d, told);
	}
}

struct notice *announce_version_locked(struct tree *t, struct dir *d, const struct kv_version *v,
				       enum shown_origin origin, bool always)
{
	LOCK_HELD(&t->lock);
	struct event *event = NULL;
	struct telling told = tell_locked(t, d, v, origin, &event);
	size_t room = HASH_COUNT(d->node.children) + (v ? v->count : 0) + 1;
	struct node *child;
	int left = 0; /* nodes of versions before */
	struct notice *n;

	if (t->config.fast_open && !v)
		DL_COUNT(d->node.removed, child, left);
	n = notice_new_locked(&d->node, room + (size_t)left);
	if (n)
		fill_notice(t, n, d, &told);
	if (told.now) {
		outline_free(d->outline);
		d->outline = told.now;
	}
	if (!n) {
		event_free(event);
		return NULL;
	}
	n->event = event;
	if (n->count == 0 && !event && !always) {
		notice_free_locked(t, n);
		return NULL;
	}
	return n;
}

void announce_send_locked(struct tree *t, struct notice *n)
{
	LOCK_HELD(&t->lock);

	t->config.changed(t->config.arg, n);
}

void announce_absence_locked(struct tree *t, struct dir *d, const char *name)
{
	LOCK_HELD(&t->lock);
	struct notice *n = notice_new_locked(&d->node, 1);

	if (!n)
		return; /* it asks by itself when the entry's time is over */
	notice_add_locked(n, NULL, name, false);
	shown_noticed(&d->shown, false);
	announce_send_locked(t, n);
}

void announce_time_locked(struct tree *t, struct field *f, const struct timespec *mtime)
{
	LOCK_HELD(&t->lock);
	struct dir *d = field_dir(f);
	struct timespec now = clock_timespec(d->shown.mtime);
	struct notice *n;

	if (!d->shown.told || d->shown.phase == SHOWN_DRAINING ||
	    (mtime->tv_sec == now.tv_sec && mtime->tv_nsec == now.tv_nsec))
		return;
	n = notice_new_locked(&d->node, 1);
	if (!n)
		return; /* it asks by itself when the time of the attributes is over */
	notice_add_locked(n, &f->node, f->node.name, false);
	shown_noticed(&d->shown, true);
	announce_send_locked(t, n);
}

void announce_name_locked(struct tree *t, struct dir *parent, struct dir *d, enum notice_act act)
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
	announce_send_locked(t, n);
}
