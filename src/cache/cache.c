// SPDX-License-Identifier: Apache-2.0
/* The cache: a table of entries in the order of their use, and the flights that fill them.
 *
 * A request that finds no answer in memory starts a flight, or joins the one under way, and is
 * parked on it. The flight runs in the pool without any lock; when it lands, all requests parked on
 * it ask again. So there is at most one request at the server for one object, and only the flight's
 * own thread waits.
 *
 * A slow flight releases the requests that can be served an old object:
 *
 *      start            patience                         landed
 *      |---- parked ----|---- the old object, stale -----|---- the fetched object
 *
 * Once the server was silent for that long, others wait an eighth of it, until it answers again. */

#include "cache/cache.h"

#include "base/cancel.h"
#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/timer.h"
#include "cache/entry.h"
#include "cache/share.h"

#include <errno.h>
#include <string.h>
#include <utlist.h>

/* How long to wait for a fetch if there is an old object, as a share of its timeout. */
#define PATIENCE_SHARE 10
#define PATIENCE_MIN   (100 * NS_PER_MS)
#define PATIENCE_MAX   NS_PER_SEC
#define SILENT_SHARE   8

/* A request is not worth starting with less time left. */
#define SHORTEST_FETCH (50 * NS_PER_MS)

struct cache {
	struct cache_config config;
	struct lock lock; /* guards all below, and all entries and flights */
	struct entry *table;
	struct entry *used; /* all entries, the most recently used first */
	size_t bytes;
	size_t ahead; /* flights without a request */
	uint64_t generation;
	uint64_t dropped;  /* the generation in which an entry was last dropped */
	uint64_t answered; /* clock_mono() of the server's last answer */
	bool silent;	   /* a request has waited in vain since then */
};

/* One fetch under way. It outlives its entry, if that is dropped. */
struct flight {
	struct job job;
	struct cache *cache;
	struct waitq parked;
	struct timer timer; /* armed if `timed` */
	bool timed;
	uint64_t generation, begun, deadline;
	uint64_t age;  /* of a recalled object */
	bool bare;     /* there was no object in memory */
	bool recalled; /* the answer comes from the copy */
	size_t kind;
	bool ahead;
	uid_t uid; /* of the first request */
	char path[];
};

struct cache *cache_new(const struct cache_config *config, struct err *err)
{
	struct cache *c = calloc(1, sizeof(*c));

	if (!c) {
		err_set(err, ENOMEM, "no memory for the cache");
		return NULL;
	}
	c->config = *config;
	lock_init(&c->lock, LOCK_CACHE);
	return c;
}

static void remove_locked(struct cache *c, struct entry *e)
{
	c->bytes -= entry_size(e);
	DL_DELETE(c->used, e);
	HASH_DELETE(hh, c->table, e);
	entry_free(e);
}

void cache_free(struct cache *c)
{
	if (!c)
		return;
	while (c->used)
		remove_locked(c, c->used);
	lock_fini(&c->lock);
	free(c);
}

static struct entry *find_locked(struct cache *c, size_t kind, const char *path)
{
	LOCK_HELD(&c->lock);
	char key[CACHE_PATH_MAX + 2];
	size_t len = strlen(path);
	struct entry *e = NULL;

	if (len > CACHE_PATH_MAX)
		return NULL;
	key[0] = (char)kind;
	memcpy(key + 1, path, len + 1);
	HASH_FIND(hh, c->table, key, len + 1, e);
	return e;
}

static struct entry *find_or_add_locked(struct cache *c, size_t kind, const char *path)
{
	struct entry *e = find_locked(c, kind, path);

	if (e) {
		DL_DELETE(c->used, e);
		DL_PREPEND(c->used, e);
		return e;
	}
	e = strlen(path) <= CACHE_PATH_MAX ? entry_new(kind, path) : NULL;
	if (!e)
		return NULL;
	/* A dropped entry's flights must not fill its successor. */
	e->generation = ++c->generation;
	HASH_ADD(hh, c->table, key, e->key_len, e);
	DL_PREPEND(c->used, e);
	c->bytes += entry_size(e);
	return e;
}

/* Drops the largest user's entries, the least recently used first; everybody's if `shares` is NULL.
 * Whether any entry was dropped. */
static bool shrink_once_locked(struct cache *c, struct shares *shares, const struct entry *keep)
{
	struct entry *e = c->used ? c->used->prev : NULL; /* the last: the list is circular there */
	bool any = false;

	while (e && c->bytes > c->config.bytes) {
		struct entry *before = e == c->used ? NULL : e->prev;

		if (e != keep && !e->flight && (!shares || shares_is_surplus(shares, e))) {
			if (shares)
				shares_remove(shares, e);
			c->dropped = ++c->generation;
			remove_locked(c, e);
			any = true;
		}
		e = before;
	}
	return any;
}

/* Makes room: the uid with the most bytes loses its least recently used entries, except `keep` and
 * those in flight. */
static void shrink_locked(struct cache *c, const struct entry *keep)
{
	struct shares shares;

	if (c->bytes <= c->config.bytes)
		return;
	shares_count(&shares, c->used);
	while (c->bytes > c->config.bytes && shrink_once_locked(c, &shares, keep))
		;
	/* If that was not enough, nothing else of that uid can be dropped. */
	shrink_once_locked(c, NULL, keep);
}

/* Passes the answer to the copy, unless it came from there. */
static void keep_locked(struct cache *c, const struct entry *e, int code)
{
	if (c->config.keep && (e->object ? !e->recalled : code))
		c->config.keep(c->config.source, entry_kind(e), entry_path(e), e->object, code);
}

/* Records an answer of the server, or an errno. */
static void learn_locked(struct cache *c, struct entry *e, struct flight *f, int r,
			 struct cache_fetched *got, const struct err *why)
{
	LOCK_HELD(&c->lock);
	bool believed = f->generation == e->generation;

	c->bytes -= entry_size(e);
	if (r == 0)
		entry_fill(e, &c->config, got, f->generation);
	else if (got->object)
		entry_recall(e, &c->config, got, f->age, why, f->generation);
	else
		entry_fail(e, &c->config, why, f->generation);
	e->asker = f->uid;
	if (believed && r == 0)
		keep_locked(c, e, 0);
	else if (believed && !e->object && !c->config.is_outage(-r) && !f->recalled)
		keep_locked(c, e, -r);
	c->bytes += entry_size(e);
}

static void land(struct flight *f, int r, struct cache_fetched *got, const struct err *why)
{
	struct cache *c = f->cache;
	struct waitq parked;
	struct entry *e;

	lock_acquire(&c->lock);
	if (!c->config.is_outage(-r)) {
		c->answered = clock_mono();
		c->silent = false;
	}
	e = find_locked(c, f->kind, f->path);
	if (e && e->flight == f) {
		e->flight = NULL;
		e->slow = false;
		learn_locked(c, e, f, r, got, why);
		shrink_locked(c, e);
	} else {
		object_put(got->object);
	}
	parked = waitq_take_locked(&f->parked);
	c->ahead -= f->ahead;
	lock_release(&c->lock);
	waitq_wake(parked);
	if (f->timed)
		timer_disarm(c->config.timers, &f->timer);
	free(f);
}

/* The parked requests ask again, and get the old object if there is one. */
static void on_patience(struct timer *timer)
{
	struct flight *f = container_of(timer, struct flight, timer);
	struct cache *c = f->cache;
	struct waitq parked = {NULL};
	struct entry *e;

	lock_acquire(&c->lock);
	e = find_locked(c, f->kind, f->path);
	if (e && e->flight == f) {
		e->slow = true;
		c->silent |= c->answered < f->begun;
		parked = waitq_take_locked(&f->parked);
	}
	lock_release(&c->lock);
	waitq_wake(parked);
}

static uint64_t patience_locked(const struct cache *c)
{
	uint64_t patience = c->config.timeout / PATIENCE_SHARE;

	if (patience < PATIENCE_MIN)
		patience = PATIENCE_MIN;
	if (patience > PATIENCE_MAX)
		patience = PATIENCE_MAX;
	return c->silent ? patience / SILENT_SHARE : patience;
}

static void time_locked(struct cache *c, const struct entry *e)
{
	struct flight *f = e->flight;

	if (!c->config.timers || f->timed || !entry_serves(e, clock_mono()))
		return;
	f->timed = true;
	timer_arm(c->config.timers, &f->timer, f->begun + patience_locked(c));
}

static void log_outcome(const struct flight *f, int r, const struct err *why, uint64_t begun)
{
	const char *kind = f->cache->config.kinds[f->kind].name;

	if (r == 0 || r == -EINTR)
		log_debug("fetched", F_STR("kind", kind), F_STR("path", f->path),
			  F_STR("errno", err_name(-r)), F_INT("us", (clock_mono() - begun) / 1000));
	else
		log_at(r == -EACCES ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, "fetch failed",
		       F_STR("kind", kind), F_STR("path", f->path), F_INT("uid", f->uid),
		       F_ERR(why));
}

/* Asks the copy after a failure: it returns an object to serve beside the failure, or a refusal to
 * replace it. */
static int recall(struct flight *f, int failure, struct cache_fetched *got, struct err *why)
{
	const struct cache_config *config = &f->cache->config;
	struct limit limit = {.deadline = f->deadline + SHORTEST_FETCH};
	struct err err = {0};
	int r = config->recall(config->source, f->kind, f->path, limit, got, &f->age, &err);

	f->recalled = r == 0 || r == -EACCES;
	if (r != -EACCES)
		return failure;
	*why = err;
	why->code = EACCES;
	return r;
}

static void fly(struct job *job)
{
	struct flight *f = container_of(job, struct flight, job);
	const struct cache_kind *kind = &f->cache->config.kinds[f->kind];
	struct cache_fetched got = {0};
	uint64_t begun = clock_mono();
	struct err why = {0};
	int r;

	if (begun + SHORTEST_FETCH >= f->deadline)
		r = err_set(&why, ETIMEDOUT,
			    "no answer in time: the requests before it wait for the server too");
	else
		r = kind->fetch(f->cache->config.source, f->path,
				(struct limit){.deadline = f->deadline, .uid = f->uid}, &got, &why);
	if (r < 0)
		why.code = -r;
	if (r < 0 && f->bare && f->cache->config.recall && f->cache->config.is_outage(-r))
		r = recall(f, r, &got, &why);
	log_outcome(f, r, &why, begun);
	land(f, r, &got, &why);
}

static int start_locked(struct cache *c, struct entry *e, uint64_t deadline, uid_t uid)
{
	LOCK_HELD(&c->lock);
	size_t len = e->key_len;
	struct flight *f = calloc(1, sizeof(*f) + len);

	if (!f)
		return -ENOMEM;
	f->job.run = fly;
	f->timer.fire = on_patience;
	f->begun = clock_mono();
	f->job.uid = f->uid = uid;
	f->cache = c;
	f->generation = e->generation;
	f->bare = !e->object;
	f->deadline = deadline;
	f->kind = entry_kind(e);
	memcpy(f->path, entry_path(e), len);
	e->flight = f;
	pool_submit(c->config.pool, &f->job);
	return 0;
}

static int wait_locked(struct cache *c, struct entry *e, const struct ask *ask)
{
	/* A flight from before the last write would not be believed: wait for it, then ask again. */
	bool joins = e->flight;

	if (!e->flight && ask->waiter && start_locked(c, e, ask->deadline, ask->uid) < 0)
		return -ENOMEM;
	if (!e->flight)
		return PARKED;
	time_locked(c, e);
	metric_count(joins ? METRIC_CACHE_JOINS : METRIC_CACHE_MISSES, 0);
	return waitq_park_locked(&e->flight->parked, ask);
}

/* An object that was fetched for this very request is no hit. */
static void count_answer(const struct entry *e, enum entry_state state, const struct ask *ask)
{
	if (state == ENTRY_STALE)
		metric_count(METRIC_CACHE_STALE, 0);
	else if (e->fetched < ask->asked)
		metric_count(METRIC_CACHE_HITS, 0);
}

int cache_get(struct cache *c, size_t kind, const char *path, const struct ask *ask,
	      struct object **out, struct cache_note *note, struct err *err)
{
	LOCK_SCOPE(&c->lock);
	struct entry *e;
	enum entry_state state;
	uint64_t now;
	int r;

	*out = NULL;
	if (strlen(path) > CACHE_PATH_MAX)
		return err_set(err, ENAMETOOLONG, "a path of %zu bytes", strlen(path));
	/* A request that cannot start a flight must not add an entry. */
	if (!ask->waiter && !find_locked(c, kind, path))
		return PARKED;
	e = find_or_add_locked(c, kind, path);
	if (!e)
		return err_set(err, ENOMEM, "no memory for the cache");
	if (ask->asker)
		share_use(e, ask->uid);
	now = clock_mono();
	state = entry_judge(e, &c->config, ask, now);
	/* Another user's exhausted budget is no answer for this one. */
	if (state == ENTRY_FAILED && e->why.code == EAGAIN && e->asker != ask->uid)
		state = ENTRY_ASK;
	if (entry_retries(e, &c->config, state, now))
		start_locked(c, e, now + c->config.timeout, ask->uid);
	switch (state) {
	case ENTRY_GOOD:
	case ENTRY_STALE:
		count_answer(e, state, ask);
		*out = object_ref(e->object);
		if (note)
			*note = (struct cache_note){.fetched = e->fetched,
						    .fresh = e->fresh,
						    .recalled = e->recalled != 0,
						    .age = entry_age(e, now),
						    .stale = state == ENTRY_STALE};
		return 0;
	case ENTRY_FAILED:
		if (err)
			*err = e->why;
		return -e->why.code;
	case ENTRY_ASK:
		break;
	}
	r = wait_locked(c, e, ask);
	return r == -ENOMEM ? err_set(err, ENOMEM, "no memory for a request") : r;
}

/* Whether a prefetched object will survive until it is used. */
static bool has_room_locked(const struct cache *c)
{
	size_t count = HASH_COUNT(c->table);
	size_t each = count ? c->bytes / count : 0;

	return c->ahead < c->config.ahead && each * 4 * c->config.ahead <= c->config.bytes;
}

bool cache_ahead(struct cache *c, size_t kind, const char *path)
{
	LOCK_SCOPE(&c->lock);
	struct entry *e = find_locked(c, kind, path);
	uint64_t now = clock_mono();
	struct ask later = {.asked = now};

	if (e && (e->flight || entry_judge(e, &c->config, &later, now) != ENTRY_ASK))
		return true;
	e = has_room_locked(c) ? find_or_add_locked(c, kind, path) : NULL;
	if (!e || start_locked(c, e, now + c->config.timeout, 0) < 0)
		return false;
	e->flight->ahead = true;
	c->ahead++;
	return true;
}

struct object *cache_peek(struct cache *c, size_t kind, const char *path)
{
	LOCK_SCOPE(&c->lock);
	struct entry *e = find_locked(c, kind, path);

	return e ? object_ref(e->object) : NULL;
}

static void put_locked(struct cache *c, size_t kind, const char *path, struct object *object,
		       uint64_t ttl)
{
	LOCK_HELD(&c->lock);
	struct entry *e = find_or_add_locked(c, kind, path);
	const struct cache_kind *k = &c->config.kinds[kind];

	if (!e) {
		object_put(object);
		return;
	}
	/* Two writes may arrive here in another order than at the server. */
	if (e->object && k->newer && !k->newer(object, e->object)) {
		object_put(object);
		return;
	}
	c->bytes -= entry_size(e);
	object_put(e->object);
	e->object = object;
	e->generation = ++c->generation;
	entry_believe(e, &c->config, ttl);
	keep_locked(c, e, 0);
	c->bytes += entry_size(e);
	shrink_locked(c, e);
}

void cache_put(struct cache *c, size_t kind, const char *path, struct object *object, uint64_t ttl)
{
	LOCK_SCOPE(&c->lock);

	put_locked(c, kind, path, object, ttl);
}

uint64_t cache_mark(struct cache *c)
{
	LOCK_SCOPE(&c->lock);

	return c->generation;
}

bool cache_learn(struct cache *c, size_t kind, const char *path, struct object *object,
		 uint64_t ttl, uint64_t mark)
{
	LOCK_SCOPE(&c->lock);
	struct entry *e = find_locked(c, kind, path);

	if ((e ? e->generation : c->dropped) > mark) {
		object_put(object);
		return false;
	}
	put_locked(c, kind, path, object, ttl);
	return true;
}

void cache_infer(struct cache *c, size_t kind, const char *path, struct object *object,
		 uint64_t until)
{
	LOCK_SCOPE(&c->lock);
	struct entry *e = find_or_add_locked(c, kind, path);

	if (!e || entry_serves(e, clock_mono()) || (e->object && e->fetched >= until)) {
		object_put(object);
		return;
	}
	c->bytes -= entry_size(e);
	object_put(e->object);
	e->object = object;
	e->fetched = e->fresh = until;
	e->serves = until + c->config.max_stale;
	e->recalled = 0;
	e->refused = false;
	c->bytes += entry_size(e);
	shrink_locked(c, e);
}

void cache_amend(struct cache *c, size_t kind, const char *path, struct object *object)
{
	LOCK_SCOPE(&c->lock);
	struct entry *e = find_locked(c, kind, path);

	if (!e || !e->object) {
		object_put(object);
		return;
	}
	c->bytes -= entry_size(e);
	object_put(e->object);
	e->object = object;
	e->generation = ++c->generation;
	keep_locked(c, e, 0);
	c->bytes += entry_size(e);
	shrink_locked(c, e);
}

/* An entry with a flight stays, empty, so that its parked requests find the next flight. */
static void forget_locked(struct cache *c, struct entry *e)
{
	c->dropped = ++c->generation;
	if (!e->flight) {
		remove_locked(c, e);
		return;
	}
	c->bytes -= entry_size(e);
	object_put(e->object);
	e->object = NULL;
	e->failed = 0;
	e->refused = false;
	e->generation = ++c->generation;
	c->bytes += entry_size(e);
}

void cache_drop(struct cache *c, size_t kind, const char *path)
{
	LOCK_SCOPE(&c->lock);
	struct entry *e = find_locked(c, kind, path);

	if (e)
		forget_locked(c, e);
}

void cache_drop_all(struct cache *c)
{
	LOCK_SCOPE(&c->lock);
	struct entry *e, *next;

	DL_FOREACH_SAFE (c->used, e, next)
		forget_locked(c, e);
}

void cache_measure(struct cache *c)
{
	metric_set(METRIC_CACHE_BYTES, cache_bytes(c));
	metric_set(METRIC_CACHE_ENTRIES, cache_count(c));
}

size_t cache_bytes(struct cache *c)
{
	LOCK_SCOPE(&c->lock);

	return c->bytes;
}

size_t cache_count(struct cache *c)
{
	LOCK_SCOPE(&c->lock);

	return HASH_COUNT(c->table);
}
