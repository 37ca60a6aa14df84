// SPDX-License-Identifier: Apache-2.0
/* Where the latest version comes from, and what the state machine in node/shown.c asks of a directory:
 * who reads in it, what the time is, and who is told. */

#include "tree/latest.h"

#include "base/clock.h"
#include "node/fixed.h"
#include "tree/announce.h"
#include "tree/field.h"
#include "vault/reply.h"

#include <errno.h>

static struct dir *dir_of_shown(const struct shown *s)
{
	return container_of((struct shown *)s, struct dir, shown);
}

/* Until when a field might change under somebody who is just reading it; 0: under nobody. One that is
 * removed does not: who has it open goes on reading what it was. */
static uint64_t disturbs(const struct shown *s, const struct kv_version *v, uint64_t now)
{
	struct node *child, *next;
	uint64_t until = 0;

	HASH_ITER (hh, dir_of_shown(s)->node.children, child, next) {
		const struct field *f = field_of(child);
		const struct kv_field *after;

		if (!node_is_field(child) || !f->readers || field_read_until_locked(f) <= now ||
		    field_read_until_locked(f) <= until)
			continue;
		after = kv_version_field(v, f->raw, f->raw_len);
		if (after &&
		    !kv_field_equal(kv_version_field(s->version, f->raw, f->raw_len), after))
			until = field_read_until_locked(f);
	}
	return until;
}

/* A new file of ours that is at the server by now, whoever made it, is that one. */
static void adopt_locked(struct tree *t, struct dir *d, const struct kv_version *v)
{
	LOCK_HELD(&t->lock);
	struct node *child, *next;

	HASH_ITER (hh, d->node.children, child, next) {
		const struct field *f = field_of(child);

		if (child->local && node_is_field(child) && kv_version_field(v, f->raw, f->raw_len))
			node_unlocal_locked(t, child);
	}
}

static void proceeds(struct shown *s, const struct kv_version *v, bool first)
{
	struct dir *d = dir_of_shown(s);

	dir_times_learn(&d->times, v->created, !first, clock_wall());
	adopt_locked(d->tree, d, v);
}

static struct notice *announce(struct shown *s, const struct kv_version *v,
			       enum shown_origin origin, bool always)
{
	struct dir *d = dir_of_shown(s);

	return announce_version_locked(d->tree, d, v, origin, always);
}

static void send(struct shown *s, struct notice *n)
{
	announce_send_locked(dir_of_shown(s)->tree, n);
}

static void on_timer(struct timer *timer)
{
	struct dir *d = container_of(timer, struct dir, draining);
	struct tree *t = d->tree;
	LOCK_SCOPE(&t->lock);

	/* It may have waited for our lock, and find the next draining begun. */
	shown_expired(&d->shown, clock_mono());
	node_unuse_locked(t, &d->node);
}

static void wake_at(struct shown *s, uint64_t at)
{
	struct dir *d = dir_of_shown(s);

	d->draining.fire = on_timer;
	if (!timer_arm(d->tree->config.timers, &d->draining, at))
		node_use_locked(&d->node); /* the timer's */
}

static void moved(struct shown *s)
{
	cond_broadcast(&dir_of_shown(s)->tree->drained);
}

const struct shown_ops latest_ops = {
	.disturbs = disturbs,
	.proceeds = proceeds,
	.announce = announce,
	.send = send,
	.wake_at = wake_at,
	.moved = moved,
};

void latest_show_locked(struct dir *d, struct kv_version *v, enum shown_origin origin)
{
	LOCK_HELD_NAMED(LOCK_TREE);

	shown_offer(&d->shown, v, origin, clock_mono());
}

void latest_learn_locked(struct tree *t, struct dir *d, struct kv_version *v,
			 enum shown_origin origin, uint64_t mark)
{
	LOCK_HELD(&t->lock);
	const struct tree_config *c = &t->config;
	uint64_t ttl = rules_ttl(&c->rules, d->path, c->ttl);
	bool learnt = cache_learn(c->cache, TREE_DATA, d->path, object_ref(&v->object),
				  version_ttl(v, ttl, c->negative_ttl), mark);
	_cleanup_object_ struct object *latest = cache_peek(c->cache, TREE_DATA, d->path);

	if (latest && latest != &v->object) {
		v = container_of(latest, struct kv_version, object);
		/* It came over ours, or is what there was all along. */
		if (origin == SHOWN_LOCAL)
			origin = SHOWN_FOREIGN;
	}
	if (latest || learnt)
		latest_show_locked(d, v, origin);
}

void latest_withdraw_locked(struct tree *t, struct dir *d, int code)
{
	LOCK_HELD(&t->lock);

	if (d->shown.told)
		fixed_release_all_locked(t);
	shown_withdraw(&d->shown, code);
}

/* An answer that says no; not one that did not come. */
static bool is_refusal(int r)
{
	return !reply_is_outage(-r) && r != -ENOMEM && r != -EINTR;
}

/* The version that is shown, fresh or not, for a caller that only looks at what there is. NULL: it is
 * not at hand. */
static struct kv_version *at_hand_locked(struct tree *t, struct dir *d)
{
	LOCK_HELD(&t->lock);
	const struct shown *s = &d->shown;
	_cleanup_object_ struct kv_version *v = NULL;

	v = s->version ? object_ref(s->version)
		       : (struct kv_version *)cache_peek(t->config.cache, TREE_DATA, d->path);
	return v && shown_is(s, v) ? steal(v) : NULL;
}

void latest_changed_locked(struct tree *t, struct dir *d)
{
	LOCK_HELD(&t->lock);
	_cleanup_object_ struct kv_version *v = NULL;

	if (!d->shown.unannounced)
		return;
	v = at_hand_locked(t, d);
	shown_changed(&d->shown, v);
}

/* Somebody has asked for the secret. */
static void used_locked(struct tree *t, struct dir *d, const struct ask *ask)
{
	LOCK_HELD(&t->lock);

	d->watch.used = clock_mono();
	d->watch.held = false;
	dir_asked_locked(t, d, ask);
}

int latest_get_locked(struct tree *t, struct dir *d, const struct ask *ask, struct kv_version **out,
		      uint64_t *ttl, struct err *err)
{
	LOCK_HELD(&t->lock);
	struct shown *s = &d->shown;
	_cleanup_object_ struct kv_version *v = NULL;
	struct object *o = NULL;
	struct cache_note note;
	uint64_t now;
	int r = d->removals ? d->removals->admit_locked(t, d, ask, false) : 0;

	*ttl = 0;
	if (ask->asker)
		used_locked(t, d, ask);
	if (r == 0)
		r = cache_get(t->config.cache, TREE_DATA, d->path, ask, &o, &note, err);
	if (r == PARKED && !ask->asker) {
		v = at_hand_locked(t, d);
		if (!v)
			return PARKED;
		*out = steal(v);
		return 0;
	}
	if (r < 0 && is_refusal(r))
		latest_withdraw_locked(t, d, -r);
	if (r != 0)
		return r;
	v = (struct kv_version *)o;
	latest_show_locked(d, v, SHOWN_SEEN);
	now = clock_mono();
	if (s->phase == SHOWN_DRAINING && s->version) {
		*out = object_ref(s->version);
		return 0;
	}
	if (s->phase == SHOWN_STEADY && now < note.fresh)
		*ttl = note.fresh - now;
	*out = steal(v);
	return 0;
}

void latest_opened_locked(struct field *f, struct kv_version *v)
{
	LOCK_HELD_NAMED(LOCK_TREE);

	f->readers++;
	f->opened = clock_mono();
	shown_opened(&field_dir(f)->shown, v);
}

void latest_closed_locked(struct field *f)
{
	LOCK_HELD_NAMED(LOCK_TREE);

	f->readers--;
	shown_closed(&field_dir(f)->shown, clock_mono());
}

void latest_wait_drained_locked(struct tree *t, struct dir *d)
{
	LOCK_HELD(&t->lock);

	while (d->shown.phase == SHOWN_DRAINING)
		cond_wait(&t->drained, &t->lock);
}
