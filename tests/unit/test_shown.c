// SPDX-License-Identifier: Apache-2.0
/* Which version readers are shown: every transition of the state machine, with a time that the test sets
 * and fakes for all that it calls; and then every sequence of a few events. */

#include "unit_support.h"

#include "node/shown.h"

#include <stdlib.h>

TestSuite(shown, .fini = support_fini, .timeout = 120);

#define OPENED 1000 /* when the handles of these tests are opened, and until when they disturb */
#define UNTIL  2000

/* A directory as the machine sees it, and what it was told. */
struct world {
	struct shown s;
	bool disturbed;	    /* somebody reads what a newer version changes, until UNTIL */
	bool silent;	    /* there is nothing to tell */
	bool deaf;	    /* a notice that is sent has its end at once */
	bool ours;	    /* others are not told: it may be our own change */
	unsigned announced; /* how often, and what was announced last */
	const struct kv_version *last;
	enum shown_origin origin;
	unsigned sent, moved, proceeded, firsts;
	uint64_t wake_at; /* 0: nothing is asked for */
	struct waiter waiter;
	unsigned parked, woken;
};

static struct world *world_of(const struct shown *s)
{
	return container_of((struct shown *)s, struct world, s);
}

static uint64_t fake_disturbs(const struct shown *s, const struct kv_version *v, uint64_t now)
{
	cr_assert(s->version && v);
	return world_of(s)->disturbed && now < UNTIL ? UNTIL : 0;
}

static void fake_proceeds(struct shown *s, const struct kv_version *v, bool first)
{
	cr_assert(shown_is(s, v));
	world_of(s)->proceeded++;
	world_of(s)->firsts += first;
}

static struct notice *fake_announce(struct shown *s, const struct kv_version *v,
				    enum shown_origin origin, bool always)
{
	struct world *w = world_of(s);
	static char notice;

	w->announced++;
	w->last = v;
	w->origin = origin;
	s->unannounced = w->ours && v && origin != SHOWN_LOCAL && origin != SHOWN_FOREIGN;
	return w->silent && !always ? NULL : (struct notice *)&notice;
}

static void settle(struct world *w)
{
	waitq_wake(shown_settled(&w->s));
}

static void fake_send(struct shown *s, struct notice *n)
{
	struct world *w = world_of(s);

	cr_assert(n && s->notices);
	w->sent++;
	if (w->deaf)
		settle(w);
}

static void fake_wake_at(struct shown *s, uint64_t at)
{
	world_of(s)->wake_at = at;
}

static void fake_moved(struct shown *s)
{
	world_of(s)->moved++;
}

static const struct shown_ops fakes = {
	.disturbs = fake_disturbs,
	.proceeds = fake_proceeds,
	.announce = fake_announce,
	.send = fake_send,
	.wake_at = fake_wake_at,
	.moved = fake_moved,
};

static void on_ready(struct waiter *waiter)
{
	container_of(waiter, struct world, waiter)->woken++;
}

static void world_init(struct world *w)
{
	*w = (struct world){.waiter = {.ready = on_ready}};
	shown_init(&w->s, &fakes);
}

static int versions; /* that are alive */

static void version_free(struct object *o)
{
	versions--;
	free(o);
}

static struct kv_version *version(int64_t number)
{
	struct kv_version *v = calloc(1, sizeof(*v));

	*v = (struct kv_version){.object = {.refs = 1, .free = version_free},
				 .state = KV_LIVE,
				 .number = number,
				 .created = number * 10};
	versions++;
	return v;
}

static void offer_as(struct world *w, int64_t number, enum shown_origin origin)
{
	_cleanup_object_ struct kv_version *v = version(number);

	shown_offer(&w->s, v, origin, OPENED);
}

static void offer(struct world *w, int64_t number)
{
	offer_as(w, number, SHOWN_SEEN);
}

static void open_file(struct world *w)
{
	_cleanup_object_ struct kv_version *v = version(w->s.number);

	shown_opened(&w->s, v);
}

static void park(struct world *w)
{
	struct ask ask = {.waiter = &w->waiter};

	if (shown_wait_steady(&w->s, &ask) == PARKED)
		w->parked++;
}

/* The worlds that tests begin in: version 1 is shown, and told. */
static void begin_steady(struct world *w)
{
	world_init(w);
	offer(w, 1);
	settle(w);
	cr_assert_eq(w->s.phase, SHOWN_STEADY);
}

/* And somebody reads what version 2, which waits, changes. */
static void begin_draining(struct world *w)
{
	begin_steady(w);
	open_file(w);
	w->disturbed = true;
	offer(w, 2);
	cr_assert_eq(w->s.phase, SHOWN_DRAINING);
}

/* Version 2 is shown, and its notice is on its way. */
static void begin_settling(struct world *w)
{
	begin_steady(w);
	offer(w, 2);
	cr_assert_eq(w->s.phase, SHOWN_SETTLING);
}

static void end(struct world *w)
{
	shown_fini(&w->s);
	cr_assert_eq(versions, 0, "%d versions are left", versions);
}

#define assert_is(w, p, n)                                                                         \
	do {                                                                                       \
		cr_assert_eq((w)->s.phase, p);                                                     \
		cr_assert_eq((w)->s.number, n);                                                    \
	} while (0)

Test(shown, the_first_version_settles, .init = support_init)
{
	struct world w;

	world_init(&w);
	assert_is(&w, SHOWN_STEADY, 0);
	cr_assert_not(w.s.told);
	offer(&w, 1);
	assert_is(&w, SHOWN_SETTLING, 1);
	cr_assert_eq(w.firsts, 1);
	cr_assert_eq(w.origin, SHOWN_SEEN);
	settle(&w);
	assert_is(&w, SHOWN_STEADY, 1);
	cr_assert_null(w.s.version, "nobody has it open");
	end(&w);
}

Test(shown, steady_with_nothing_to_tell_stays_steady, .init = support_init)
{
	struct world w;

	begin_steady(&w);
	w.silent = true;
	offer(&w, 2);
	assert_is(&w, SHOWN_STEADY, 2);
	cr_assert_eq(w.sent, 1);
	cr_assert_eq(w.firsts, 1);
	end(&w);
}

Test(shown, steady_and_the_same_again_tells_nothing, .init = support_init)
{
	struct world w;

	begin_steady(&w);
	offer(&w, 1);
	offer_as(&w, 1, SHOWN_LOCAL);
	assert_is(&w, SHOWN_STEADY, 1);
	cr_assert_eq(w.announced, 1);
	end(&w);
}

/* A version that is the same in number alone is another: the secret was purged, or deleted. */
Test(shown, state_and_time_make_another_version, .init = support_init)
{
	_cleanup_object_ struct kv_version *v = version(1);
	struct world w;

	begin_steady(&w);
	cr_assert(shown_is(&w.s, v));
	v->created++;
	cr_assert_not(shown_is(&w.s, v));
	v->created--;
	v->state = KV_DELETED;
	cr_assert_not(shown_is(&w.s, v));
	shown_offer(&w.s, v, SHOWN_SEEN, OPENED);
	cr_assert_eq(w.s.state, KV_DELETED);
	cr_assert_eq(w.proceeded, 2);
	settle(&w);
	object_put(steal(v));
	end(&w);
}

Test(shown, steady_does_not_wait_for_whom_nothing_disturbs, .init = support_init)
{
	struct world w;

	begin_steady(&w);
	open_file(&w);
	offer(&w, 2);
	assert_is(&w, SHOWN_SETTLING, 2);
	cr_assert_eq(w.s.version->number, 2, "who has it open reads on in the new one");
	settle(&w);
	cr_assert_not_null(w.s.version);
	shown_closed(&w.s, OPENED);
	cr_assert_null(w.s.version);
	end(&w);
}

Test(shown, steady_drains_before_it_disturbs, .init = support_init)
{
	struct world w;

	begin_draining(&w);
	assert_is(&w, SHOWN_DRAINING, 1);
	cr_assert_eq(w.s.version->number, 1);
	cr_assert_eq(w.wake_at, UNTIL);
	cr_assert_eq(w.announced, 1, "nobody is told yet");
	end(&w);
}

Test(shown, draining_ends_with_the_last_close, .init = support_init)
{
	struct world w;

	begin_draining(&w);
	open_file(&w);
	shown_closed(&w.s, OPENED);
	assert_is(&w, SHOWN_DRAINING, 1);
	shown_closed(&w.s, OPENED);
	assert_is(&w, SHOWN_SETTLING, 2);
	cr_assert_null(w.s.next);
	end(&w);
}

Test(shown, draining_ends_when_those_left_are_not_disturbed, .init = support_init)
{
	struct world w;

	begin_draining(&w);
	open_file(&w);
	w.disturbed = false;
	shown_closed(&w.s, OPENED);
	assert_is(&w, SHOWN_SETTLING, 2);
	cr_assert_eq(w.s.handles, 1);
	end(&w);
}

Test(shown, draining_ends_at_its_time, .init = support_init)
{
	struct world w;

	begin_draining(&w);
	shown_expired(&w.s, UNTIL - 1);
	assert_is(&w, SHOWN_DRAINING, 1);
	shown_expired(&w.s, UNTIL);
	assert_is(&w, SHOWN_SETTLING, 2);
	cr_assert_eq(w.s.version->number, 2);
	shown_expired(&w.s, UNTIL);
	cr_assert_eq(w.announced, 2, "only once");
	end(&w);
}

Test(shown, draining_takes_the_latest_and_gets_no_longer_time, .init = support_init)
{
	struct world w;

	begin_draining(&w);
	w.wake_at = 0;
	offer_as(&w, 3, SHOWN_WATCHED);
	assert_is(&w, SHOWN_DRAINING, 1);
	cr_assert_eq(w.wake_at, 0);
	shown_expired(&w.s, UNTIL);
	assert_is(&w, SHOWN_SETTLING, 3);
	cr_assert_eq(w.origin, SHOWN_WATCHED, "it is told of as it was learnt");
	end(&w);
}

Test(shown, draining_goes_on_at_once_with_one_that_disturbs_nobody, .init = support_init)
{
	struct world w;

	begin_draining(&w);
	w.disturbed = false;
	offer(&w, 3);
	assert_is(&w, SHOWN_SETTLING, 3);
	shown_expired(&w.s, UNTIL);
	assert_is(&w, SHOWN_SETTLING, 3);
	end(&w);
}

Test(shown, draining_ends_when_the_server_goes_back, .init = support_init)
{
	struct world w;
	int64_t mtime;

	begin_draining(&w);
	mtime = w.s.mtime;
	offer(&w, 1);
	assert_is(&w, SHOWN_SETTLING, 1);
	cr_assert_null(w.s.next);
	cr_assert_gt(w.s.mtime, mtime);
	end(&w);
}

Test(shown, draining_parks_opens_until_all_is_settled, .init = support_init)
{
	struct world w;

	begin_draining(&w);
	park(&w);
	cr_assert_eq(w.parked, 1);
	w.silent = true; /* a notice goes out all the same: somebody waits for its end */
	shown_closed(&w.s, OPENED);
	assert_is(&w, SHOWN_SETTLING, 2);
	cr_assert_eq(w.woken, 0);
	settle(&w);
	assert_is(&w, SHOWN_STEADY, 2);
	cr_assert_eq(w.woken, 1);
	park(&w);
	cr_assert_eq(w.parked, 1, "it can be opened now");
	end(&w);
}

Test(shown, draining_and_the_handles_go_to_another_secret, .init = support_init)
{
	struct world w, other;

	begin_draining(&w);
	begin_steady(&other);
	shown_moved(&w.s, &other.s, 1);
	cr_assert_eq(w.s.handles, 0);
	cr_assert_eq(other.s.handles, 1);
	assert_is(&w, SHOWN_DRAINING, 1);
	shown_expired(&w.s, UNTIL);
	assert_is(&w, SHOWN_SETTLING, 2);
	settle(&w);
	cr_assert_null(w.s.version);
	shown_fini(&other.s);
	end(&w);
}

Test(shown, settling_tells_of_a_newer_one_at_once, .init = support_init)
{
	struct world w;

	begin_settling(&w);
	park(&w);
	w.silent = true;
	offer(&w, 3);
	assert_is(&w, SHOWN_SETTLING, 3);
	cr_assert_eq(w.s.notices, 2);
	settle(&w);
	assert_is(&w, SHOWN_SETTLING, 3);
	cr_assert_eq(w.woken, 0);
	settle(&w);
	assert_is(&w, SHOWN_STEADY, 3);
	cr_assert_eq(w.woken, 1);
	end(&w);
}

Test(shown, settling_drains_again_where_somebody_is_disturbed, .init = support_init)
{
	struct world w;

	begin_settling(&w);
	park(&w);
	open_file(&w);
	w.disturbed = true;
	offer(&w, 3);
	assert_is(&w, SHOWN_DRAINING, 2);
	settle(&w); /* that of version 2 */
	assert_is(&w, SHOWN_DRAINING, 2);
	cr_assert_eq(w.woken, 0);
	shown_expired(&w.s, UNTIL);
	assert_is(&w, SHOWN_SETTLING, 3);
	settle(&w);
	assert_is(&w, SHOWN_STEADY, 3);
	cr_assert_eq(w.woken, 1);
	end(&w);
}

/* The timer of one draining may come when the next has begun. */
Test(shown, a_draining_is_not_ended_by_the_time_of_the_one_before, .init = support_init)
{
	struct world w;

	begin_draining(&w);
	w.s.drained_by = UNTIL + 500;
	shown_expired(&w.s, UNTIL);
	assert_is(&w, SHOWN_DRAINING, 1);
	shown_expired(&w.s, UNTIL + 500);
	assert_is(&w, SHOWN_SETTLING, 2);
	end(&w);
}

Test(shown, settling_keeps_the_version_until_the_notice_has_ended, .init = support_init)
{
	struct world w;

	begin_settling(&w);
	open_file(&w);
	shown_closed(&w.s, OPENED);
	cr_assert_not_null(w.s.version);
	settle(&w);
	cr_assert_null(w.s.version);
	end(&w);
}

Test(shown, a_notice_may_end_while_it_is_sent, .init = support_init)
{
	struct world w;

	begin_steady(&w);
	w.deaf = true;
	offer(&w, 2);
	assert_is(&w, SHOWN_STEADY, 2);
	cr_assert_eq(w.s.notices, 0);
	cr_assert_null(w.s.version);
	end(&w);
}

Test(shown, withdrawing_what_was_never_shown_is_remembered_alone, .init = support_init)
{
	struct world w;

	world_init(&w);
	shown_withdraw(&w.s, EACCES);
	assert_is(&w, SHOWN_STEADY, 0);
	cr_assert_eq(w.s.refused, EACCES);
	cr_assert_eq(w.announced, 0);
	offer(&w, 1);
	cr_assert_eq(w.s.refused, 0);
	end(&w);
}

Test(shown, withdrawing_takes_the_values_from_who_has_them_open, .init = support_init)
{
	struct world w;

	begin_steady(&w);
	open_file(&w);
	shown_withdraw(&w.s, EACCES);
	cr_assert_eq(w.s.phase, SHOWN_SETTLING);
	cr_assert_not(w.s.told);
	cr_assert_null(w.last);
	cr_assert_null(w.s.version);
	settle(&w);
	cr_assert_eq(w.s.phase, SHOWN_STEADY);
	offer(&w, 1);
	cr_assert(w.s.told);
	cr_assert_eq(w.proceeded, 2, "it is shown anew");
	end(&w);
}

Test(shown, forgetting_leaves_the_values_to_who_has_them_open, .init = support_init)
{
	struct world w;

	begin_steady(&w);
	open_file(&w);
	shown_withdraw(&w.s, 0);
	cr_assert_not(w.s.told);
	cr_assert_eq(w.s.version->number, 1);
	cr_assert_eq(w.s.refused, 0);
	end(&w);
}

Test(shown, withdrawing_ends_a_draining, .init = support_init)
{
	struct world w;

	begin_draining(&w);
	park(&w);
	shown_withdraw(&w.s, EACCES);
	cr_assert_eq(w.s.phase, SHOWN_SETTLING);
	cr_assert_null(w.s.next);
	shown_expired(&w.s, UNTIL);
	cr_assert_not(w.s.told, "what was to come next does not");
	settle(&w);
	cr_assert_eq(w.s.phase, SHOWN_STEADY);
	cr_assert_eq(w.woken, 1);
	end(&w);
}

Test(shown, withdrawing_while_settling_is_one_more_notice, .init = support_init)
{
	struct world w;

	begin_settling(&w);
	w.silent = true;
	shown_withdraw(&w.s, EACCES);
	cr_assert_eq(w.s.notices, 2);
	settle(&w);
	cr_assert_eq(w.s.phase, SHOWN_SETTLING);
	settle(&w);
	cr_assert_eq(w.s.phase, SHOWN_STEADY);
	end(&w);
}

/* While a change of ours is on its way, what is seen may be that change. */
Test(shown, our_own_that_was_seen_before_is_told_as_ours, .init = support_init)
{
	struct world w;

	begin_steady(&w);
	w.ours = true;
	offer(&w, 2);
	settle(&w);
	cr_assert(w.s.unannounced);
	offer_as(&w, 2, SHOWN_LOCAL);
	assert_is(&w, SHOWN_SETTLING, 2);
	cr_assert_eq(w.origin, SHOWN_LOCAL);
	cr_assert_not(w.s.unannounced);
	settle(&w);
	shown_changed(&w.s, NULL);
	cr_assert_eq(w.announced, 3);
	end(&w);
}

Test(shown, what_was_not_ours_is_told_when_the_change_has_ended, .init = support_init)
{
	_cleanup_object_ struct kv_version *v = version(2);
	struct world w;

	begin_steady(&w);
	w.ours = true;
	shown_offer(&w.s, v, SHOWN_SEEN, OPENED);
	settle(&w);
	shown_changed(&w.s, v);
	assert_is(&w, SHOWN_SETTLING, 2);
	cr_assert_eq(w.origin, SHOWN_FOREIGN);
	shown_changed(&w.s, v);
	cr_assert_eq(w.announced, 3, "only once");
	object_put(steal(v));
	end(&w);
}

Test(shown, nothing_is_told_of_what_is_not_shown_any_more, .init = support_init)
{
	_cleanup_object_ struct kv_version *v = version(3);
	struct world w;

	begin_steady(&w);
	w.ours = true;
	offer(&w, 2);
	settle(&w);
	shown_changed(&w.s, v);
	assert_is(&w, SHOWN_STEADY, 2);
	cr_assert_eq(w.announced, 2);
	cr_assert_not(w.s.unannounced);
	object_put(steal(v));
	end(&w);
}

Test(shown, a_change_that_ends_while_draining_leaves_it_to_the_draining, .init = support_init)
{
	struct world w;

	begin_draining(&w);
	w.s.unannounced = true;
	shown_changed(&w.s, w.s.version);
	assert_is(&w, SHOWN_DRAINING, 1);
	cr_assert(w.s.unannounced);
	cr_assert_eq(w.announced, 1);
	end(&w);
}

Test(shown, other_notices_hold_up_opens_where_they_are_about_pages, .init = support_init)
{
	struct world w;

	begin_steady(&w);
	shown_noticed(&w.s, false);
	park(&w);
	cr_assert_eq(w.parked, 0);
	shown_noticed(&w.s, true);
	park(&w);
	cr_assert_eq(w.parked, 1);
	settle(&w);
	cr_assert_eq(w.woken, 0);
	settle(&w);
	cr_assert_eq(w.woken, 1);
	assert_is(&w, SHOWN_STEADY, 1);
	end(&w);
}

/* Its time grows with each version, whatever the server's clock says. */
Test(shown, time_never_goes_back, .init = support_init)
{
	struct world w;

	begin_steady(&w);
	offer(&w, 7);
	cr_assert_eq(w.s.mtime, 70);
	offer(&w, 3);
	cr_assert_eq(w.s.mtime, 71);
	offer(&w, 8);
	cr_assert_eq(w.s.mtime, 80);
	end(&w);
}

enum event {
	NEWER,
	NEWER_DISTURBING,
	SAME,
	OPEN,
	CLOSE,
	EXPIRE,
	SETTLE,
	REFUSE,
	FORGET,
	PARK,
	NOTICE,
	CHANGE,
	EVENTS
};

static void happen(struct world *w, enum event e, int64_t *number)
{
	switch (e) {
	case NEWER:
	case NEWER_DISTURBING:
		w->disturbed = e == NEWER_DISTURBING;
		offer(w, ++*number);
		break;
	case SAME:
		offer_as(w, w->s.number ? w->s.number : 1, SHOWN_LOCAL);
		break;
	case OPEN:
		if (w->s.phase == SHOWN_STEADY && w->s.told)
			open_file(w);
		break;
	case CLOSE:
		if (w->s.handles)
			shown_closed(&w->s, OPENED);
		break;
	case EXPIRE:
		shown_expired(&w->s, UNTIL);
		break;
	case SETTLE:
		if (w->s.notices)
			settle(w);
		break;
	case REFUSE:
	case FORGET:
		shown_withdraw(&w->s, e == REFUSE ? EACCES : 0);
		break;
	case PARK:
		if (w->parked == w->woken)
			park(w);
		break;
	case NOTICE:
		shown_noticed(&w->s, false);
		break;
	case CHANGE:
	case EVENTS:
		shown_changed(&w->s, w->s.version);
		break;
	}
}

/* The invariants between any two events. */
static void assert_sound(const struct world *w)
{
	const struct shown *s = &w->s;

	switch (s->phase) {
	case SHOWN_STEADY:
		cr_assert(!s->opens.head && !s->next);
		cr_assert(s->handles || !s->version);
		break;
	case SHOWN_DRAINING:
		cr_assert(s->next && s->handles && w->wake_at == UNTIL);
		break;
	case SHOWN_SETTLING:
		cr_assert(s->notices && !s->next);
		break;
	}
	cr_assert(!s->version || !s->told || shown_is(s, s->version));
}

/* Whatever has happened, when all notices have ended nobody waits, and the latest is shown. */
static void assert_comes_to_rest(struct world *w)
{
	while (w->s.handles)
		shown_closed(&w->s, UNTIL);
	while (w->s.notices)
		settle(w);
	cr_assert_eq(w->s.phase, SHOWN_STEADY);
	cr_assert_eq(w->parked, w->woken);
	cr_assert_null(w->s.version);
}

static void run(unsigned sequence, unsigned length, bool silent)
{
	struct world w;
	int64_t number = 1;

	begin_steady(&w);
	w.silent = silent;
	w.ours = true;
	for (unsigned i = 0; i < length; i++, sequence /= EVENTS) {
		happen(&w, sequence % EVENTS, &number);
		assert_sound(&w);
	}
	assert_comes_to_rest(&w);
	if (w.s.told && number > 1)
		cr_assert_geq(w.s.mtime, w.s.number * 10);
	end(&w);
}

Test(shown, every_sequence_of_five_events_comes_to_rest, .init = support_init)
{
	const unsigned length = 5;
	unsigned sequences = 1;

	for (unsigned i = 0; i < length; i++)
		sequences *= EVENTS;
	for (unsigned i = 0; i < sequences; i++) {
		run(i, length, false);
		run(i, length, true);
	}
}
