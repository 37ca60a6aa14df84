// SPDX-License-Identifier: Apache-2.0
/* How a new version takes the place of the one that is shown.
 *
 * The kernel keeps pages and sizes of a file, so that a reader may hold half of each. A version is
 * therefore never switched under a reader; opens that come meanwhile are parked:
 *
 *                  newer, and handles are open            closed, or open for a second
 *      STEADY ---------------------------------> DRAINING --------------------------.
 *        ^  \                                                                       |
 *        |   `-- newer, and no handle is open --------------------------------.     |
 *        |                                                                    v     v
 *        `------------------------------------------------------------------ SETTLING
 *               the kernel has dropped its pages and knows the new sizes     (notice out)
 *
 * While DRAINING everybody is shown the old version, from SETTLING on the new one. Only handles on
 * fields that the new version changes are waited for, and none that has been open for longer than
 * READING_TIME: whoever holds a file open for longer sees the new version at its next read. */

#include "tree/secret_shown.h"

#include "base/clock.h"
#include "base/log.h"
#include "node/fixed.h"
#include "tree/field.h"
#include "tree/layered.h"
#include "tree/fields.h"
#include "event/event.h"
#include "node/name.h"
#include "node/notice.h"
#include "vault/reply.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

static bool is_told(const struct secret_shown *s, const struct kv_version *v)
{
	return s->told && s->number == v->number && s->state == v->state &&
	       s->created == v->created;
}

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

	fresh = told->appears && dir_known &&
		!outline_has(d->secret.outline, f->name, f->name_len) &&
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
	if (item && told->acts && gone && !f->node.writers && !fields_name(&f->node)) {
		item->act = NOTICE_LEAVE;
		f->node.leaving = true; /* it keeps its name until that is removed */
		return;
	}
	if (item && told->acts && !gone && layered_field(t, f, 0, &other) == LAYER_NONE &&
	    outline_differs(d->secret.outline, told->now, f->raw, f->raw_len))
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
	const struct outline *before = d->secret.outline;
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
				  enum secret_origin origin, struct event **event)
{
	struct secret_shown *s = &d->secret;
	struct telling told = {.v = v};

	if (!v || !t->digests)
		return told;
	if (s->outline && outline_is_of(s->outline, v)) {
		s->unannounced = false;
		return told;
	}
	/* It may be the very version that we are making: who makes it will tell. */
	if (d->changing && (origin == SECRET_SEEN || origin == SECRET_WATCHED) && s->outline) {
		s->unannounced = true;
		return told;
	}
	s->unannounced = false;
	told.now = outline_new(t->digests, v);
	if (!told.now || (!s->outline && origin != SECRET_LOCAL))
		return told; /* what is looked at for the first time has not changed */
	told.acts = origin != SECRET_LOCAL && !t->config.fast_open;
	told.appears = origin == SECRET_WATCHED && told.acts;
	*event = make_event(d, &told, origin == SECRET_LOCAL);
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

/* Tells the kernel and others what has changed in this secret. `v` is NULL where nothing is shown. */
static void notify_locked(struct tree *t, struct dir *d, const struct kv_version *v,
			  enum secret_origin origin)
{
	struct secret_shown *s = &d->secret;
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
		outline_free(s->outline);
		s->outline = told.now;
	}
	if (!n) {
		event_free(event);
		s->phase = SECRET_STEADY; /* who is parked is answered by the deadline */
		return;
	}
	if (n->count == 0 && s->notices == 0 && !s->opens.head && !event) {
		s->phase = SECRET_STEADY;
		notice_free_locked(t, n);
		return;
	}
	n->event = event;
	s->phase = SECRET_SETTLING;
	s->notices++;
	t->config.changed(t->config.arg, n);
}

void secret_forget_name_locked(struct tree *t, struct dir *d, const char *name)
{
	struct notice *n = notice_new_locked(&d->node, 1);

	if (!n)
		return; /* it asks by itself when the entry's time is over */
	notice_add_locked(n, NULL, name, false);
	d->secret.notices++;
	t->config.changed(t->config.arg, n);
}

/* While it settles the helper asks for it, when the cache may know of a newer one already. */
static void let_go_locked(struct secret_shown *s)
{
	if (s->handles == 0 && s->phase == SECRET_STEADY)
		object_put(steal(s->version));
}

void secret_tell_again_locked(struct tree *t, struct field *f, const struct timespec *mtime)
{
	struct dir *d = field_dir(f);
	struct timespec now = clock_timespec(d->secret.mtime);
	struct notice *n;

	if (!d->secret.told || d->secret.phase == SECRET_DRAINING ||
	    (mtime->tv_sec == now.tv_sec && mtime->tv_nsec == now.tv_nsec))
		return;
	n = notice_new_locked(&d->node, 1);
	if (!n)
		return; /* it asks by itself when the time of the attributes is over */
	notice_add_locked(n, &f->node, f->node.name, false);
	d->secret.phase = SECRET_SETTLING;
	d->secret.notices++;
	t->config.changed(t->config.arg, n);
}

/* A new file of ours that is at the server by now, whoever made it, is that one. */
static void adopt_locked(struct tree *t, struct dir *d, const struct kv_version *v)
{
	struct node *child, *next;

	HASH_ITER (hh, d->node.children, child, next) {
		const struct field *f = field_of(child);

		if (child->local && node_is_field(child) && kv_version_field(v, f->raw, f->raw_len))
			node_unlocal_locked(t, child);
	}
}

static void proceed_locked(struct tree *t, struct dir *d, struct kv_version *v,
			   enum secret_origin origin)
{
	struct secret_shown *s = &d->secret;

	dir_times_learn(&d->times, v->created, s->told, clock_wall());
	s->told = true;
	s->number = v->number;
	s->created = v->created;
	s->state = v->state;
	s->mtime = v->created > s->mtime ? v->created : s->mtime + 1;
	object_put(s->version);
	s->version = object_ref(v);
	adopt_locked(t, d, v);
	notify_locked(t, d, v, origin);
	let_go_locked(s);
	cond_broadcast(&t->drained);
}

/* Until when (clock_mono()) a field might change under somebody who is just reading it; 0: under nobody.
 * One that is removed does not: who has it open goes on reading what it was. */
static uint64_t disturbs_locked(struct dir *d, const struct kv_version *v)
{
	const struct kv_version *old = d->secret.version;
	uint64_t now = clock_mono(), until = 0;
	struct node *child, *next;

	if (!d->secret.handles || !old)
		return 0;
	HASH_ITER (hh, d->node.children, child, next) {
		const struct field *f = field_of(child);
		const struct kv_field *after;

		if (!node_is_field(child) || !f->readers || field_read_until_locked(f) <= now ||
		    field_read_until_locked(f) <= until)
			continue;
		after = kv_version_field(v, f->raw, f->raw_len);
		if (after && !kv_field_equal(kv_version_field(old, f->raw, f->raw_len), after))
			until = field_read_until_locked(f);
	}
	return until;
}

static void end_drain_locked(struct tree *t, struct dir *d)
{
	_cleanup_object_ struct kv_version *v = steal(d->secret.next);

	if (d->secret.phase == SECRET_DRAINING && v)
		proceed_locked(t, d, v, d->secret.next_origin);
}

static void on_timer(struct timer *timer)
{
	struct secret_shown *s = container_of(timer, struct secret_shown, timer);
	struct dir *d = container_of(s, struct dir, secret);
	struct tree *t = s->tree;
	LOCK_SCOPE(&t->lock);

	/* One that has waited for our lock may find the next draining begun, with a time of its own. */
	if (clock_mono() >= s->drained_by)
		end_drain_locked(t, d);
	node_unuse_locked(t, &d->node);
}

static void drain_locked(struct tree *t, struct dir *d, struct kv_version *v,
			 enum secret_origin origin, uint64_t until)
{
	struct secret_shown *s = &d->secret;

	object_put(s->next);
	s->next = object_ref(v);
	s->next_origin = origin;
	if (s->phase == SECRET_DRAINING)
		return;
	s->phase = SECRET_DRAINING;
	s->tree = t;
	s->timer.fire = on_timer;
	s->drained_by = until;
	if (!timer_arm(t->config.timers, &s->timer, s->drained_by))
		node_use_locked(&d->node); /* the timer's */
}

void secret_show_locked(struct tree *t, struct dir *d, struct kv_version *v,
			enum secret_origin origin)
{
	struct secret_shown *s = &d->secret;
	uint64_t until;

	s->refused = 0;
	if (is_told(s, v)) {
		/* What was to come next has been overtaken: the server went back to this one. */
		if (s->phase == SECRET_DRAINING) {
			object_put(steal(s->next));
			proceed_locked(t, d, v, origin);
		} else if (origin == SECRET_LOCAL && s->unannounced) {
			/* Our own, that somebody has seen before we could say so. */
			notify_locked(t, d, v, origin);
		}
		return;
	}
	until = disturbs_locked(d, v);
	if (until)
		drain_locked(t, d, v, origin, until);
	else
		proceed_locked(t, d, v, origin);
}

void secret_learn_locked(struct tree *t, struct dir *d, struct kv_version *v,
			 enum secret_origin origin, uint64_t mark)
{
	const struct tree_config *c = &t->config;
	uint64_t ttl = rules_ttl(&c->rules, d->path, c->ttl);
	bool learnt = cache_learn(c->cache, TREE_DATA, d->path, object_ref(&v->object),
				  version_ttl(v, ttl, c->negative_ttl), mark);
	_cleanup_object_ struct object *latest = cache_peek(c->cache, TREE_DATA, d->path);

	if (latest && latest != &v->object) {
		v = container_of(latest, struct kv_version, object);
		/* It came over ours, or is what there was all along. */
		if (origin == SECRET_LOCAL)
			origin = SECRET_FOREIGN;
	}
	if (latest || learnt)
		secret_show_locked(t, d, v, origin);
}

void secret_withdraw_locked(struct tree *t, struct dir *d, int code)
{
	struct secret_shown *s = &d->secret;

	s->refused = code;
	if (!s->told)
		return;
	s->told = false;
	fixed_release_all_locked(t);
	/* Who has it open goes on reading it, where it is only to be asked for anew. */
	if (code)
		object_put(steal(s->version));
	object_put(steal(s->next));
	notify_locked(t, d, NULL, SECRET_SEEN);
	cond_broadcast(&t->drained);
}

/* An answer that says no; not one that did not come. */
static bool is_refusal(int r)
{
	return !reply_is_outage(-r) && r != -ENOMEM && r != -EINTR;
}

/* What is shown, fresh or not, for who only looks at what there is. */
static bool shown_locked(struct tree *t, struct dir *d, struct kv_version **out)
{
	struct secret_shown *s = &d->secret;
	struct object *o = s->version ? object_ref(s->version)
				      : cache_peek(t->config.cache, TREE_DATA, d->path);

	if (!o || !is_told(s, (struct kv_version *)o)) {
		object_put(o);
		return false;
	}
	*out = (struct kv_version *)o;
	return true;
}

void secret_changed_locked(struct tree *t, struct dir *d)
{
	_cleanup_object_ struct kv_version *v = NULL;

	if (!d->secret.unannounced || d->secret.phase == SECRET_DRAINING)
		return;
	d->secret.unannounced = false;
	if (shown_locked(t, d, &v))
		notify_locked(t, d, v, SECRET_FOREIGN);
}

int secret_get_locked(struct tree *t, struct dir *d, const struct ask *ask, struct kv_version **out,
		      uint64_t *ttl, struct err *err)
{
	struct secret_shown *s = &d->secret;
	_cleanup_object_ struct kv_version *v = NULL;
	struct object *o = NULL;
	struct cache_note note;
	uint64_t now;
	int r = d->removals ? d->removals->admit_locked(t, d, ask, false) : 0;

	*ttl = 0;
	if (ask->asker) {
		d->watch.used = clock_mono();
		d->watch.held = false;
		dir_asked_locked(t, d, ask);
	}
	if (r == 0)
		r = cache_get(t->config.cache, TREE_DATA, d->path, ask, &o, &note, err);
	if (r == PARKED && !ask->asker)
		return shown_locked(t, d, out) ? 0 : PARKED;
	if (r < 0 && is_refusal(r))
		secret_withdraw_locked(t, d, -r);
	if (r != 0)
		return r;
	v = (struct kv_version *)o;
	secret_show_locked(t, d, v, SECRET_SEEN);
	now = clock_mono();
	if (s->phase == SECRET_DRAINING && s->version) {
		*out = object_ref(s->version);
		return 0;
	}
	if (s->phase == SECRET_STEADY && now < note.fresh)
		*ttl = note.fresh - now;
	*out = steal(v);
	return 0;
}

void secret_opened_locked(struct field *f, struct kv_version *v)
{
	struct dir *d = field_dir(f);

	f->readers++;
	f->opened = clock_mono();
	d->secret.handles++;
	if (!d->secret.version)
		d->secret.version = object_ref(v);
}

void secret_closed_locked(struct tree *t, struct field *f)
{
	struct dir *d = field_dir(f);
	struct secret_shown *s = &d->secret;

	f->readers--;
	s->handles--;
	if (s->phase == SECRET_DRAINING && s->next && !disturbs_locked(d, s->next))
		end_drain_locked(t, d);
	let_go_locked(s);
	cond_broadcast(&t->drained);
}

void secret_moved_locked(struct field *f, struct dir *from)
{
	from->secret.handles -= f->readers;
	field_dir(f)->secret.handles += f->readers;
	let_go_locked(&from->secret);
}

struct waitq secret_settled_locked(struct tree *t, struct dir *d)
{
	struct secret_shown *s = &d->secret;

	if (--s->notices == 0 && s->phase == SECRET_SETTLING)
		s->phase = SECRET_STEADY;
	cond_broadcast(&t->drained);
	if (s->phase != SECRET_STEADY)
		return (struct waitq){NULL};
	let_go_locked(s);
	return waitq_take_locked(&s->opens);
}

void secret_wait_drained_locked(struct tree *t, struct dir *d)
{
	while (d->secret.phase == SECRET_DRAINING)
		cond_wait(&t->drained, &t->lock);
}
