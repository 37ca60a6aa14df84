// SPDX-License-Identifier: Apache-2.0
/* How a new version takes the place of the one that is shown.
 *
 * The kernel keeps pages and sizes of a file, so that a reader may hold half of each. A version is
 * therefore never switched under a reader; opens that come meanwhile are parked:
 *
 *                 newer, and readers are disturbed
 *      STEADY ---------------------------------------> DRAINING
 *       ^  |                                            |    ^
 *       |  | newer, and nobody      readers have closed |    | newer, and readers
 *       |  | is disturbed           or had their time   |    | are disturbed
 *       |  |                                            v    |
 *       |  `----------------------------------------> SETTLING --. newer, and nobody is disturbed:
 *       |                                               |    ^    | one more notice is out
 *       `-----------------------------------------------'    `---'
 *          the last notice is done: the kernel has dropped
 *          its pages and knows the new sizes
 *
 * DRAINING ends too when a version comes that disturbs nobody, as the old one does that turns out to be
 * the latest again, and when the server refuses the secret, which is told from any state at once. Where
 * there is nothing to tell and no notice is out, SETTLING is skipped.
 *
 * While DRAINING everybody is shown the old version, from SETTLING on the new one. Only handles on
 * fields that the new version changes are waited for, and none that has been open for too long: whoever
 * holds a file open for longer sees the new version at its next read. */

#include "node/shown.h"

#include "base/cleanup.h"

void shown_init(struct shown *s, const struct shown_ops *ops)
{
	*s = (struct shown){.ops = ops};
}

void shown_fini(struct shown *s)
{
	object_put(steal(s->version));
	object_put(steal(s->next));
}

bool shown_is(const struct shown *s, const struct kv_version *v)
{
	return s->told && s->number == v->number && s->state == v->state &&
	       s->created == v->created;
}

/* While it settles the helper asks for it, when the cache may know of a newer one already. */
static void let_go(struct shown *s)
{
	if (s->handles == 0 && s->phase == SHOWN_STEADY)
		object_put(steal(s->version));
}

static void tell(struct shown *s, const struct kv_version *v, enum shown_origin origin)
{
	struct notice *n = s->ops->announce(s, v, origin, s->notices > 0 || s->opens.head);

	if (!n) {
		s->phase =
			SHOWN_STEADY; /* where memory is short, the deadline answers who is parked */
		return;
	}
	s->phase = SHOWN_SETTLING;
	s->notices++;
	s->ops->send(s, n);
}

static void proceed(struct shown *s, struct kv_version *v, enum shown_origin origin)
{
	bool first = !s->told;

	s->told = true;
	s->number = v->number;
	s->created = v->created;
	s->state = v->state;
	s->mtime = v->created > s->mtime ? v->created : s->mtime + 1;
	object_put(s->version);
	s->version = object_ref(v);
	object_put(steal(s->next)); /* has been overtaken */
	s->ops->proceeds(s, v, first);
	tell(s, v, origin);
	let_go(s);
	s->ops->moved(s);
}

static void drain(struct shown *s, struct kv_version *v, enum shown_origin origin, uint64_t until)
{
	object_put(s->next);
	s->next = object_ref(v);
	s->next_origin = origin;
	if (s->phase == SHOWN_DRAINING)
		return; /* a later one gets no longer time */
	s->phase = SHOWN_DRAINING;
	s->drained_by = until;
	s->ops->wake_at(s, until);
}

static void end_drain(struct shown *s)
{
	_cleanup_object_ struct kv_version *v = steal(s->next);

	if (s->phase == SHOWN_DRAINING && v)
		proceed(s, v, s->next_origin);
}

/* Those that a version would disturb: nobody, where nobody has anything open. */
static uint64_t disturbs(const struct shown *s, const struct kv_version *v, uint64_t now)
{
	return s->handles && s->version ? s->ops->disturbs(s, v, now) : 0;
}

void shown_offer(struct shown *s, struct kv_version *v, enum shown_origin origin, uint64_t now)
{
	uint64_t until;

	s->refused = 0;
	if (shown_is(s, v)) {
		/* What was to come next has been overtaken: the server went back to this one. */
		if (s->phase == SHOWN_DRAINING) {
			proceed(s, v, origin);
		} else if (origin == SHOWN_LOCAL && s->unannounced) {
			/* Our own, that somebody has seen before we could say so. */
			tell(s, v, origin);
		}
		return;
	}
	until = disturbs(s, v, now);
	if (until)
		drain(s, v, origin, until);
	else
		proceed(s, v, origin);
}

void shown_withdraw(struct shown *s, int code)
{
	s->refused = code;
	if (!s->told)
		return;
	s->told = false;
	if (code)
		object_put(steal(s->version));
	object_put(steal(s->next));
	tell(s, NULL, SHOWN_SEEN);
	s->ops->moved(s);
}

void shown_changed(struct shown *s, struct kv_version *v)
{
	if (!s->unannounced || s->phase == SHOWN_DRAINING)
		return;
	s->unannounced = false;
	if (v && shown_is(s, v))
		tell(s, v, SHOWN_FOREIGN);
}

void shown_opened(struct shown *s, struct kv_version *v)
{
	s->handles++;
	if (!s->version)
		s->version = object_ref(v);
}

void shown_closed(struct shown *s, uint64_t now)
{
	s->handles--;
	if (s->phase == SHOWN_DRAINING && s->next && !disturbs(s, s->next, now))
		end_drain(s);
	let_go(s);
	s->ops->moved(s);
}

void shown_moved(struct shown *from, struct shown *to, unsigned handles)
{
	from->handles -= handles;
	to->handles += handles;
	let_go(from);
}

void shown_expired(struct shown *s, uint64_t now)
{
	/* Of a draining before: the one that is on now has a time of its own. */
	if (now >= s->drained_by)
		end_drain(s);
}

void shown_noticed(struct shown *s, bool pages)
{
	if (pages)
		s->phase = SHOWN_SETTLING;
	s->notices++;
}

struct waitq shown_settled(struct shown *s)
{
	if (--s->notices == 0 && s->phase == SHOWN_SETTLING)
		s->phase = SHOWN_STEADY;
	s->ops->moved(s);
	if (s->phase != SHOWN_STEADY)
		return (struct waitq){NULL};
	let_go(s);
	return waitq_take_locked(&s->opens);
}

int shown_wait_steady(struct shown *s, const struct ask *ask)
{
	return s->phase == SHOWN_STEADY ? 0 : waitq_park_locked(&s->opens, ask);
}
