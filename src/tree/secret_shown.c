// SPDX-License-Identifier: Apache-2.0
/* How a new version takes the place of the one that is shown.
 *
 * The kernel keeps pages and sizes of a file, so that a reader may hold half of each. A version is
 * therefore never switched under a reader; opens that come meanwhile are parked:
 *
 *                  newer, and handles are open            handles closed, or 200 ms
 *      STEADY ---------------------------------> DRAINING --------------------------.
 *        ^  \                                                                       |
 *        |   `-- newer, and no handle is open --------------------------------.     |
 *        |                                                                    v     v
 *        `------------------------------------------------------------------ SETTLING
 *               the kernel has dropped its pages and knows the new sizes     (notice out)
 *
 * While DRAINING everybody is shown the old version, from SETTLING on the new one. A handle that is
 * held longer sees the new one at its next read. Only handles on fields that the new version changes
 * are waited for. */

#include "tree/secret_shown.h"

#include "base/clock.h"
#include "base/log.h"
#include "node/fixed.h"
#include "tree/field.h"
#include "tree/layered.h"
#include "node/name.h"
#include "vault/reply.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

#define DRAIN_TIME (200 * NS_PER_MS)

static bool is_told(const struct secret_shown *s, const struct kv_version *v)
{
	return s->told && s->number == v->number && s->state == v->state &&
	       s->created == v->created;
}

static void add_item(struct notice *n, struct dir *d, struct node *node, const char *name,
		     bool gone)
{
	struct notice_item *item = &n->items[n->count];
	char *dir = node_path_locked(&d->node);

	item->name = strdup(name);
	item->path = NULL;
	if (dir && asprintf(&item->path, "%s%s%s", dir, dir[1] ? "/" : "", name) < 0)
		item->path = NULL;
	item->node = node ? node_use_locked(node) : NULL;
	item->gone = gone;
	free(dir);
	if (item->name && item->path)
		n->count++;
	else
		free(item->name);
}

/* Names that the kernel may remember as absent. */
static void add_new_names(struct notice *n, struct dir *d, const struct kv_version *v)
{
	char name[NAME_BYTES_MAX + 1];

	for (size_t i = 0; i < v->count; i++) {
		const struct kv_field *f = &v->fields[i];
		struct node *known;

		if (name_escape(f->name, f->name_len, name) < 0)
			continue;
		known = node_child_locked(&d->node, name);
		if (!known || !known->lookups)
			add_item(n, d, NULL, name, false);
	}
}

/* With fast_open: the name will stand for another node, of the version `v`, and what is open stays what
 * it is; with none it is to be given up too. */
static void add_fixed(struct notice *n, struct dir *d, struct node *child, bool replaced)
{
	size_t before = n->count;

	add_item(n, d, child, child->name, true);
	if (n->count > before)
		n->items[before].kept = replaced;
	if (replaced)
		node_detach_locked(child);
}

/* Tells the kernel of all that it knows of this secret. `v` is NULL where nothing is shown now. */
static void notify_locked(struct tree *t, struct dir *d, const struct kv_version *v)
{
	struct secret_shown *s = &d->secret;
	bool names = v && clock_mono() < d->negatives_until;
	bool fast = t->config.fast_open;
	int left = 0; /* nodes of versions before */
	size_t room = HASH_COUNT(d->node.children) + (names ? v->count : 0);
	struct notice *n;
	struct node *child, *next;

	if (fast && !v)
		DL_COUNT(d->node.removed, child, left);
	n = calloc(1, sizeof(*n) + (room + (size_t)left) * sizeof(n->items[0]));

	if (!n) {
		s->phase = SECRET_STEADY; /* who is parked is answered by the deadline */
		return;
	}
	n->dir = node_use_locked(&d->node);
	HASH_ITER (hh, d->node.children, child, next) {
		struct field *f = field_of(child);
		bool gone;

		if (!node_is_field(child) || child->local || !child->lookups)
			continue;
		if (fast) {
			add_fixed(n, d, child, v != NULL);
			continue;
		}
		gone = v && !kv_version_field(v, f->raw, f->raw_len) && !layered_has(t, f);
		add_item(n, d, child, child->name, gone);
		if (gone && !child->writers)
			node_detach_locked(child);
	}
	if (fast && !v)
		DL_FOREACH (d->node.removed, child)
			if (node_is_field(child) && child->lookups)
				add_fixed(n, d, child, false);
	if (names)
		add_new_names(n, d, v);
	if (n->count == 0 && s->notices == 0 && !s->opens.head) {
		s->phase = SECRET_STEADY;
		node_unuse_locked(t, &d->node);
		free(n);
		return;
	}
	s->phase = SECRET_SETTLING;
	s->notices++;
	t->config.changed(t->config.arg, n);
}

void secret_forget_name_locked(struct tree *t, struct dir *d, const char *name)
{
	struct notice *n = calloc(1, sizeof(*n) + sizeof(n->items[0]));

	if (!n)
		return; /* it asks by itself when the entry's time is over */
	n->dir = node_use_locked(&d->node);
	add_item(n, d, NULL, name, false);
	d->secret.notices++;
	t->config.changed(t->config.arg, n);
}

static void proceed_locked(struct tree *t, struct dir *d, struct kv_version *v)
{
	struct secret_shown *s = &d->secret;

	s->told = true;
	s->number = v->number;
	s->created = v->created;
	s->state = v->state;
	s->mtime = v->created > s->mtime ? v->created : s->mtime + 1;
	object_put(s->version);
	s->version = s->handles ? object_ref(v) : NULL;
	notify_locked(t, d, v);
	pthread_cond_broadcast(&t->drained);
}

/* Whether a field that somebody has open would change under him. One that is removed does not: who
 * has it open goes on reading what it was. */
static bool disturbs_locked(struct dir *d, const struct kv_version *v)
{
	const struct kv_version *old = d->secret.version;
	struct node *child, *next;

	if (!d->secret.handles || !old)
		return false;
	HASH_ITER (hh, d->node.children, child, next) {
		const struct field *f = field_of(child);
		const struct kv_field *after;

		if (!node_is_field(child) || !f->readers)
			continue;
		after = kv_version_field(v, f->raw, f->raw_len);
		if (after && !kv_field_equal(kv_version_field(old, f->raw, f->raw_len), after))
			return true;
	}
	return false;
}

static void end_drain_locked(struct tree *t, struct dir *d)
{
	_cleanup_object_ struct kv_version *v = steal(d->secret.next);

	if (d->secret.phase == SECRET_DRAINING && v)
		proceed_locked(t, d, v);
}

static void on_timer(struct timer *timer)
{
	struct secret_shown *s = container_of(timer, struct secret_shown, timer);
	struct dir *d = container_of(s, struct dir, secret);
	struct tree *t = s->tree;
	LOCK_SCOPE(&t->lock);

	s->timed = false;
	end_drain_locked(t, d);
	node_unuse_locked(t, &d->node);
}

static void drain_locked(struct tree *t, struct dir *d, struct kv_version *v)
{
	struct secret_shown *s = &d->secret;

	object_put(s->next);
	s->next = object_ref(v);
	if (s->phase == SECRET_DRAINING)
		return;
	s->phase = SECRET_DRAINING;
	s->tree = t;
	s->timer.fire = on_timer;
	if (!s->timed)
		node_use_locked(&d->node); /* the timer's */
	s->timed = true;
	timer_arm(t->config.timers, &s->timer, clock_mono() + DRAIN_TIME);
}

void secret_show_locked(struct tree *t, struct dir *d, struct kv_version *v)
{
	struct secret_shown *s = &d->secret;

	s->refused = 0;
	if (is_told(s, v)) {
		/* What was to come next has been overtaken: the server went back to this one. */
		if (s->phase == SECRET_DRAINING) {
			object_put(steal(s->next));
			proceed_locked(t, d, v);
		}
		return;
	}
	if (s->told && disturbs_locked(d, v))
		drain_locked(t, d, v);
	else
		proceed_locked(t, d, v);
}

void secret_withdraw_locked(struct tree *t, struct dir *d, int code)
{
	struct secret_shown *s = &d->secret;

	s->refused = code;
	if (!s->told)
		return;
	s->told = false;
	fixed_release_all_locked(t);
	object_put(steal(s->version));
	object_put(steal(s->next));
	notify_locked(t, d, NULL);
	pthread_cond_broadcast(&t->drained);
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
	if (r == 0)
		r = cache_get(t->config.cache, TREE_DATA, d->path, ask, &o, &note, err);
	if (r == PARKED && !ask->asker)
		return shown_locked(t, d, out) ? 0 : PARKED;
	if (r < 0 && is_refusal(r))
		secret_withdraw_locked(t, d, -r);
	if (r != 0)
		return r;
	v = (struct kv_version *)o;
	secret_show_locked(t, d, v);
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
	if (s->handles == 0)
		object_put(steal(s->version));
	pthread_cond_broadcast(&t->drained);
}

struct waitq secret_settled_locked(struct tree *t, struct dir *d)
{
	struct secret_shown *s = &d->secret;

	if (--s->notices == 0 && s->phase == SECRET_SETTLING)
		s->phase = SECRET_STEADY;
	pthread_cond_broadcast(&t->drained);
	if (s->phase != SECRET_STEADY)
		return (struct waitq){NULL};
	return waitq_take_locked(&s->opens);
}

void secret_wait_drained_locked(struct tree *t, struct dir *d)
{
	while (d->secret.phase == SECRET_DRAINING)
		pthread_cond_wait(&t->drained, &t->lock);
}
