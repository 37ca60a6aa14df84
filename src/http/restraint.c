// SPDX-License-Identifier: Apache-2.0
/* The budget of failures: a token bucket, kept as the time at which all failures are paid for.
 *
 * Whether a request fails is known only afterwards, so each is judged by the last outcome of its
 * kind (read, list, change) and path, else of its kind and folder. A good one goes. The exception:
 * when many good ones have just failed, somebody has probably taken a policy away, and they are
 * unknown until they succeed again. Unknown and bad requests go while there is room for their
 * failure:
 *
 *      room   10 ... 4   all may go             (a full bucket: nothing has failed of late)
 *              3 ... 1   the unknown may go      (so that bad ones do not keep new ones out)
 *              0 ...     none whose failure is not paid for
 *
 * Without room, a path that has itself failed gets its last error again. An unknown one may be
 * good, so it is never refused: it waits, or gets EAGAIN.
 *
 * A failure costs a place, and a request let through on credit counts as a failure until it ends.
 * Tables of fixed size remember the last paths, good and failed apart: however much fails, good
 * paths stay known. A forgotten path is unknown, which matters only when there is little room.
 * Suspect requests (their path or folder has failed) never take the waiting places of unknown ones.
 *
 * Each uid has a bucket of its own beside the one for all. Its price is multiplied by the number of
 * uids that owe: they share the rate, and one alone has all of it. When the bucket for all is
 * empty, a uid that owes next to nothing still gets through, so another's failures keep nobody
 * out. */

#include "http/restraint.h"

#include "base/clock.h"
#include "base/metric.h"

#include <errno.h>
#include <string.h>

#define BURST	    10 /* at once; requests under way may add to the debt */
#define ROOM_BAD    4
#define ROOM_NEW    1
#define KNOWN_TIME  (60 * NS_PER_SEC) /* for which a failure is repeated from memory */
#define WAITING_MAX 4 /* of a uid and class: more would take the threads from good requests */
#define RESERVE	    2 /* failures a uid may owe while others have used up all */

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

/* FNV-1a, 64 bits. Colliding names share an outcome for a while, and no more. */
static uint64_t hash(uint64_t h, const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)s[i]) * UINT64_C(0x100000001b3);
	return h;
}

#define HASH_START  UINT64_C(0xcbf29ce484222325)
#define FOLDER_SEED 0x100 /* a folder's outcome is not that of the request that lists it */

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

/* The slot of a key in one of the tables; if it has none, the oldest of its set. */
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
	LOCK_HELD(&r->lock);
	const struct restraint_slot *s = &r->good[slot_for(r->good, RESTRAINT_GOOD, key)];

	return s->key == key ? s : NULL;
}

static int standing_of_locked(const struct restraint *r, uint64_t key, uint64_t now)
{
	LOCK_HELD(&r->lock);
	const struct restraint_slot *bad = &r->bad[slot_for(r->bad, RESTRAINT_BAD, key)];

	if (good_of_locked(r, key))
		return 0;
	return bad->key == key && now - bad->at <= KNOWN_TIME ? bad->code : UNKNOWN;
}

/* `code`: 0 for success. */
static void record_locked(struct restraint *r, uint64_t key, int code, uint64_t now)
{
	LOCK_HELD(&r->lock);
	struct restraint_slot *good = &r->good[slot_for(r->good, RESTRAINT_GOOD, key)];
	struct restraint_slot *bad = &r->bad[slot_for(r->bad, RESTRAINT_BAD, key)];
	struct restraint_slot *to = code ? bad : good, *from = code ? good : bad;

	*to = (struct restraint_slot){.key = key, .at = now, .code = code};
	if (from->key == key)
		*from = (struct restraint_slot){0};
}

/* The last outcome of the path, else of its folder; *key is the one that was found. */
static int standing_locked(const struct restraint *r, const struct restraint_pass *pass,
			   uint64_t now, uint64_t *key)
{
	LOCK_HELD(&r->lock);
	int standing = standing_of_locked(r, pass->self, now);

	*key = pass->self;
	if (standing != UNKNOWN)
		return standing;
	*key = pass->folder;
	return standing_of_locked(r, pass->folder, now);
}

/* The row of a uid: its own, one that is no longer used, or the one that the rest share. */
static size_t purse_of_locked(struct restraint *r, uid_t uid, uint64_t now)
{
	LOCK_HELD(&r->lock);
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

/* The price of a failure for a uid: one interval for each uid that owes, itself included. */
static uint64_t price_locked(const struct restraint *r, const struct restraint_purse *own,
			     uint64_t now)
{
	LOCK_HELD(&r->lock);
	uint64_t count = 1;

	for (size_t i = 0; i <= RESTRAINT_PURSES; i++)
		count += &r->purses[i] != own && r->purses[i].owed > now;
	return count * r->interval;
}

/* Whether a good outcome still counts as good. */
static bool is_trusted_locked(const struct restraint *r, const struct restraint_purse *own,
			      uint64_t key, uint64_t now)
{
	LOCK_HELD(&r->lock);
	const struct restraint_slot *good = good_of_locked(r, key);

	return own->turned <= now + BURST * r->interval || (good && good->at > own->turning);
}

/* A good path has failed. */
static void turn_locked(const struct restraint *r, struct restraint_purse *own, uint64_t now)
{
	LOCK_HELD(&r->lock);

	if (own->turned <= now) {
		own->turned = now;
		own->turning = now;
	}
	own->turned += r->interval;
}

/* The unpaid failures at `now`, if those under way fail too. */
static int64_t debt_of(uint64_t owed, uint64_t price, unsigned flying, uint64_t now)
{
	uint64_t debt = owed > now ? owed - now : 0;

	return (int64_t)((debt + price - 1) / price) + flying;
}

/* How many more may fail. *price: the cost of each in the bucket that is short. */
static int64_t room_locked(const struct restraint *r, const struct restraint_purse *own,
			   uint64_t now, uint64_t *price)
{
	LOCK_HELD(&r->lock);
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
	LOCK_HELD(&r->lock);
	size_t i = pass->engine % RESTRAINT_HOLDS;

	return r->holds[i].key == pass->engine ? r->holds[i].until : 0;
}

/* 0 with *until: 0 if it may go, else when to look again. Or -errno, the path's last outcome. */
static int admit_locked(struct restraint *r, struct restraint_pass *pass, uint64_t *until)
{
	LOCK_HELD(&r->lock);
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
	LOCK_HELD(&r->lock);

	r->purses[pass->purse].waiting[pass->class]--;
}

/* Looks once. `waited`: it is among the waiting. Returns 0 with *until set: now it is. */
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
	LOCK_HELD(&r->lock);

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
	/* In a folder that failed lately, one success speaks for its own path alone. */
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
