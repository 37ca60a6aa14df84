// SPDX-License-Identifier: Apache-2.0
/* The budget of failures, a token bucket that is kept as the time at which all is paid for.
 *
 * Whether a request will fail is known only afterwards, so each is judged by what came before it: the
 * same kind (read, list, change) and path, else that kind in its folder. What was good goes, unless so
 * much of that has just turned bad that somebody has taken a policy away: then it is unknown until it was
 * good again. What is unknown or was bad goes while there is room for its failure:
 *
 *      room   10 ... 4   all may go             (a full bucket: nothing has failed of late)
 *              3 ... 1   the unknown may go      (so that bad ones do not keep new ones out)
 *              0 ...     nobody whose failure is not paid for
 *
 * For want of room, what has itself failed is answered by that. What is unknown may be good, and so is
 * never called refused: it waits, or is told to come again (EAGAIN).
 *
 * A request that fails costs a place; those that were let through on credit count as if they did.
 * Tables of fixed size remember the last paths, one those that were good and one those that failed:
 * however much fails, what was good stays known. A path that is forgotten is unknown, which matters only
 * when the room is small. Suspect requests (their path or folder has failed) never take the places in
 * which unknown ones wait.
 *
 * Each uid has a bucket of its own beside the one for all, and pays as many times the price as there are
 * uids that owe: they share the rate, and one alone has all of it. When the bucket for all is empty, a
 * uid that owes next to nothing still gets through, so that nobody is kept out by another's failures. */

#include "http/restraint.h"

#include "base/clock.h"
#include "base/metric.h"

#include <errno.h>
#include <string.h>

#define BURST	    10 /* at once; what may be owed on top is what was under way */
#define ROOM_BAD    4
#define ROOM_NEW    1
#define KNOWN_TIME  (60 * NS_PER_SEC) /* for which a failure may be told again */
#define WAITING_MAX 4 /* of a uid and class: more would take the threads away from what is good */
#define RESERVE	    2 /* that a uid may owe while others have used up all */

void restraint_init(struct restraint *r, unsigned rate)
{
	memset(r, 0, sizeof(*r));
	lock_init(&r->lock, LOCK_RESTRAINT);
	r->interval = NS_PER_SEC / rate;
}

void restraint_fini(struct restraint *r)
{
	lock_fini(&r->lock);
}

/* FNV-1a, 64 bits. Names that meet share their fate for a while, and no more. */
static uint64_t hash(uint64_t h, const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)s[i]) * UINT64_C(0x100000001b3);
	return h;
}

#define HASH_START  UINT64_C(0xcbf29ce484222325)
#define FOLDER_SEED 0x100 /* a folder's standing is not that of the request that lists it */

struct restraint_pass restraint_pass(const char *path, enum restraint_kind kind)
{
	size_t len = strlen(path), folder = len, engine = strcspn(path, "/");
	uint64_t h = HASH_START ^ kind;

	while (folder && path[folder - 1] == '/')
		folder--;
	while (folder && path[folder - 1] != '/')
		folder--;
	return (struct restraint_pass){.self = hash(h, path, len),
				       .folder = hash(h ^ FOLDER_SEED, path, folder),
				       .engine = hash(0, path, engine)};
}

#define UNKNOWN (-1)

/* The slot of a key in one of the tables; where it has none, the oldest of its set. */
static size_t slot_for(const struct restraint_slot *slots, size_t count, uint64_t key)
{
	size_t first = key % (count / RESTRAINT_WAYS) * RESTRAINT_WAYS, oldest = first;

	for (size_t i = first; i < first + RESTRAINT_WAYS; i++) {
		if (slots[i].key == key)
			return i;
		if (slots[i].at < slots[oldest].at)
			oldest = i;
	}
	return oldest;
}

static const struct restraint_slot *good_of_locked(const struct restraint *r, uint64_t key)
{
	const struct restraint_slot *s = &r->good[slot_for(r->good, RESTRAINT_GOOD, key)];

	return s->key == key ? s : NULL;
}

static int standing_of_locked(const struct restraint *r, uint64_t key, uint64_t now)
{
	const struct restraint_slot *bad = &r->bad[slot_for(r->bad, RESTRAINT_BAD, key)];

	if (good_of_locked(r, key))
		return 0;
	return bad->key == key && now - bad->at <= KNOWN_TIME ? bad->code : UNKNOWN;
}

/* `code`: 0 where it was good. */
static void record_locked(struct restraint *r, uint64_t key, int code, uint64_t now)
{
	struct restraint_slot *good = &r->good[slot_for(r->good, RESTRAINT_GOOD, key)];
	struct restraint_slot *bad = &r->bad[slot_for(r->bad, RESTRAINT_BAD, key)];
	struct restraint_slot *to = code ? bad : good, *from = code ? good : bad;

	*to = (struct restraint_slot){.key = key, .at = now, .code = code};
	if (from->key == key)
		*from = (struct restraint_slot){0};
}

/* What is known of the path, else of its folder; *key is which. */
static int standing_locked(const struct restraint *r, const struct restraint_pass *pass,
			   uint64_t now, uint64_t *key)
{
	int standing = standing_of_locked(r, pass->self, now);

	*key = pass->self;
	if (standing != UNKNOWN)
		return standing;
	*key = pass->folder;
	return standing_of_locked(r, pass->folder, now);
}

/* The row of a uid: its own, one that nobody uses any more, or the one for all others. */
static size_t purse_of_locked(struct restraint *r, uid_t uid, uint64_t now)
{
	size_t found = RESTRAINT_PURSES;

	for (size_t i = 0; i < RESTRAINT_PURSES; i++) {
		const struct restraint_purse *p = &r->purses[i];

		if (p->uid == uid)
			return i;
		if (p->owed <= now && p->turned <= now && !p->flying &&
		    !p->waiting[RESTRAINT_UNKNOWN] && !p->waiting[RESTRAINT_SUSPECT])
			found = i;
	}
	if (found < RESTRAINT_PURSES)
		r->purses[found] = (struct restraint_purse){.uid = uid};
	return found;
}

/* What a failure costs a uid: there are so many who owe, and at least one. */
static uint64_t price_locked(const struct restraint *r, const struct restraint_purse *own,
			     uint64_t now)
{
	uint64_t count = 1;

	for (size_t i = 0; i <= RESTRAINT_PURSES; i++)
		count += &r->purses[i] != own && r->purses[i].owed > now;
	return count * r->interval;
}

/* Whether what was good may still be taken to be. */
static bool is_trusted_locked(const struct restraint *r, const struct restraint_purse *own,
			      uint64_t key, uint64_t now)
{
	const struct restraint_slot *good = good_of_locked(r, key);

	return own->turned <= now + BURST * r->interval || (good && good->at > own->turning);
}

/* What was good has failed. */
static void turn_locked(const struct restraint *r, struct restraint_purse *own, uint64_t now)
{
	if (own->turned <= now) {
		own->turned = now;
		own->turning = now;
	}
	own->turned += r->interval;
}

/* How many failures are not paid for by `now`, if those that are under way fail too. */
static int64_t debt_of(uint64_t owed, uint64_t price, unsigned flying, uint64_t now)
{
	uint64_t debt = owed > now ? owed - now : 0;

	return (int64_t)((debt + price - 1) / price) + flying;
}

/* How many more may fail. *price: what each costs the one who has not enough. */
static int64_t room_locked(const struct restraint *r, const struct restraint_purse *own,
			   uint64_t now, uint64_t *price)
{
	uint64_t own_price = price_locked(r, own, now);
	int64_t owes = debt_of(own->owed, own_price, own->flying, now);
	int64_t all = debt_of(r->owed, r->interval, r->flying, now);

	*price = own_price;
	if (owes >= all || owes < RESERVE)
		return BURST - owes;
	*price = r->interval;
	return BURST - all;
}

static uint64_t held_until_locked(const struct restraint *r, const struct restraint_pass *pass)
{
	size_t i = pass->engine % RESTRAINT_HOLDS;

	return r->holds[i].key == pass->engine ? r->holds[i].until : 0;
}

/* 0, and *until is 0 where it may go, else when to look again; or the errno that it is known by. */
static int admit_locked(struct restraint *r, struct restraint_pass *pass, uint64_t *until)
{
	uint64_t now = clock_mono(), held = held_until_locked(r, pass);
	int known = standing_of_locked(r, pass->self, now);
	struct restraint_purse *own;
	uint64_t key, price;
	int standing = standing_locked(r, pass, now, &key);
	int64_t room, needed = standing > 0 ? ROOM_BAD : ROOM_NEW;

	pass->class = standing > 0 ? RESTRAINT_SUSPECT : RESTRAINT_UNKNOWN;
	*until = held;
	if (now < held)
		return 0;
	*until = 0;
	pass->purse = purse_of_locked(r, pass->uid, now);
	own = &r->purses[pass->purse];
	if (now >= r->owed || (standing == 0 && is_trusted_locked(r, own, key, now)))
		return 0;
	room = room_locked(r, own, now, &price);
	if (room < needed) {
		*until = now + (uint64_t)(needed - room) * price;
		return known > 0 ? -known : 0;
	}
	r->flying++;
	own->flying++;
	pass->flying = true;
	return 0;
}

static void leave_locked(struct restraint *r, struct restraint_pass *pass)
{
	r->purses[pass->purse].waiting[pass->class]--;
}

/* Looks once. `waited`: it is one of the waiting; 0 with *until set: now it is. */
static int look(struct restraint *r, struct restraint_pass *pass, uint64_t deadline, bool waited,
		uint64_t *until)
{
	LOCK_SCOPE(&r->lock);
	unsigned *waiting;
	int s;

	if (waited)
		leave_locked(r, pass);
	s = admit_locked(r, pass, until);
	if (s < 0 || !*until)
		return s;
	pass->purse = purse_of_locked(r, pass->uid, clock_mono());
	waiting = &r->purses[pass->purse].waiting[pass->class];
	if (*until >= deadline || *waiting >= WAITING_MAX)
		return -EAGAIN;
	++*waiting;
	return 0;
}

static void leave(struct restraint *r, struct restraint_pass *pass)
{
	LOCK_SCOPE(&r->lock);

	leave_locked(r, pass);
}

int restraint_enter(struct restraint *r, struct restraint_pass *pass, struct limit limit)
{
	pass->uid = limit.uid;
	for (bool waited = false;; waited = true) {
		uint64_t until;
		int s = look(r, pass, limit.deadline, waited, &until);

		if (s < 0)
			metric_count(METRIC_REQUESTS_SPARED, 0);
		if (s < 0 || !until)
			return s;
		if (!waited)
			metric_count(METRIC_WAITS, METRIC_WAIT_FAILURES);
		if (cancel_sleep(limit.cancel, until)) {
			leave(r, pass);
			return -EINTR;
		}
	}
}

static void land_locked(struct restraint *r, struct restraint_pass *pass)
{
	r->flying -= pass->flying;
	r->purses[pass->purse].flying -= pass->flying;
	pass->flying = false;
}

void restraint_good(struct restraint *r, struct restraint_pass *pass)
{
	LOCK_SCOPE(&r->lock);
	uint64_t now = clock_mono();

	land_locked(r, pass);
	record_locked(r, pass->self, 0, now);
	/* In a folder that has failed of late one success speaks for itself alone. */
	if (now >= r->owed || standing_of_locked(r, pass->folder, now) == UNKNOWN)
		record_locked(r, pass->folder, 0, now);
}

void restraint_bad(struct restraint *r, struct restraint_pass *pass, int code, uint64_t hold)
{
	LOCK_SCOPE(&r->lock);
	uint64_t now = clock_mono(), key;
	struct restraint_purse *own;

	land_locked(r, pass);
	own = &r->purses[purse_of_locked(r, pass->uid, now)];
	r->owed = (r->owed > now ? r->owed : now) + r->interval;
	own->owed = (own->owed > now ? own->owed : now) + price_locked(r, own, now);
	if (code) {
		if (standing_locked(r, pass, now, &key) == 0)
			turn_locked(r, own, now);
		record_locked(r, pass->self, code, now);
		record_locked(r, pass->folder, code, now);
	}
	if (hold) {
		size_t i = pass->engine % RESTRAINT_HOLDS;

		r->holds[i].key = pass->engine;
		r->holds[i].until = now + hold;
	}
}

void restraint_spare(struct restraint *r, struct restraint_pass *pass)
{
	LOCK_SCOPE(&r->lock);

	land_locked(r, pass);
}
