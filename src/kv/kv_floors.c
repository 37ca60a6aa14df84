// SPDX-License-Identifier: Apache-2.0
/* Floors: the oldest answer that may be true.
 *
 *      number
 *        7           o-- our write, or the newest that was read: the floor
 *        6         /
 *        5       o             x an older answer: ask again, of the leader
 *        4     /                   x the leader says so too: the server went back
 *        --------------------------------------------------------------- time
 *
 * A server that answers from a copy may not yet know our write, or another server's answer. We
 * never believe it against those. We believe a leader, since this is how a restored snapshot or a
 * new engine looks; but not just after our own write, since something in between may cache answers.
 * If no leader can be asked, the answers of all servers count after a while.
 *
 * A step back begins a new era. So caches, which never replace newer data by older, take the lower
 * number for the newer version. */

#include "kv/kv_floors.h"

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#define FLOORS_MAX   8192
#define GRACE	     (2 * NS_PER_SEC)  /* after our write, in which we do not believe the leader */
#define LAG_MAX	     (10 * NS_PER_SEC) /* within which servers catch up */
#define CONFIRM_TIME (15 * NS_PER_SEC) /* after which an old answer of all servers is true */

struct floor {
	UT_hash_handle hh;
	struct floor *prev, *next; /* in `written`, the latest first */
	enum kv_state state;
	bool undeleted;		 /* we made it live again */
	int64_t number, created; /* for KV_ABSENT: of the version that was there before */
	uint64_t era;
	uint64_t at;	/* clock_mono(): requests that were sent later should know it */
	uint64_t wrote; /* clock_mono() of our last write; 0: none, or superseded */
	bool refuted;	/* `not` is not the latest version */
	int64_t not ;
	uint64_t doubted; /* clock_mono() of the first older answer in a row; 0: none */
	size_t doubts;
	char path[];
};

struct floors {
	size_t addresses;
	struct lock lock;    /* guards all below */
	struct floor *table; /* the oldest first */
	struct floor *written;
	uint64_t era;
};

struct floors *floors_new(size_t addresses)
{
	struct floors *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->addresses = addresses;
	f->era = 1;
	lock_init(&f->lock, LOCK_FLOORS);
	return f;
}

static void set_wrote_locked(struct floors *f, struct floor *row, uint64_t when)
{
	LOCK_HELD(&f->lock);

	if (row->wrote)
		DL_DELETE(f->written, row);
	row->wrote = when;
	if (when)
		DL_PREPEND(f->written, row);
}

static void remove_locked(struct floors *f, struct floor *row)
{
	LOCK_HELD(&f->lock);

	set_wrote_locked(f, row, 0);
	HASH_DEL(f->table, row);
	free(row);
}

void floors_free(struct floors *f)
{
	struct floor *row, *next;

	if (!f)
		return;
	lock_acquire(&f->lock);
	HASH_ITER (hh, f->table, row, next)
		remove_locked(f, row);
	lock_release(&f->lock);
	lock_fini(&f->lock);
	free(f);
}

static struct floor *find_locked(struct floors *f, const char *path)
{
	LOCK_HELD(&f->lock);
	struct floor *row;

	HASH_FIND_STR(f->table, path, row);
	return row;
}

/* NULL: no memory, and so nothing is known. */
static struct floor *add_locked(struct floors *f, const char *path)
{
	LOCK_HELD(&f->lock);
	struct floor *row = find_locked(f, path);

	if (row)
		return row;
	if (HASH_COUNT(f->table) >= FLOORS_MAX)
		remove_locked(f, f->table);
	row = calloc(1, sizeof(*row) + strlen(path) + 1);
	if (!row)
		return NULL;
	strcpy(row->path, path);
	row->era = f->era;
	HASH_ADD_STR(f->table, path, row);
	return row;
}

static bool is_recent(const struct floor *row, uint64_t now, uint64_t age)
{
	return row->wrote && now < row->wrote + age;
}

/* A version is written, deleted, perhaps undeleted, and destroyed for good. A server that reports
 * an earlier state lags behind; a later state is somebody else's change. */
static bool is_earlier_state(const struct floor *row, enum kv_state state)
{
	switch (row->state) {
	case KV_LIVE:
		return state == KV_DELETED && row->undeleted;
	case KV_DELETED:
		return state == KV_LIVE;
	case KV_DESTROYED:
		return state != KV_DESTROYED;
	case KV_ABSENT:
		break;
	}
	return false;
}

static bool is_older(const struct floor *row, const struct kv_version *v, uint64_t now)
{
	if (row->refuted && v->number == row->not )
		return true;
	if (row->state == KV_ABSENT)
		return v->state != KV_ABSENT && v->created <= row->created &&
		       is_recent(row, now, LAG_MAX);
	if (v->state == KV_ABSENT)
		return true;
	if (v->number != row->number)
		return v->number < row->number;
	return v->created < row->created ||
	       (is_earlier_state(row, v->state) && is_recent(row, now, LAG_MAX));
}

/* Adopts `v`, which may be a step back. */
static void take_locked(struct floors *f, struct floor *row, struct kv_version *v, uint64_t now)
{
	LOCK_HELD(&f->lock);
	bool back = row->state != KV_ABSENT && v->state != KV_ABSENT && v->number < row->number;

	if (row->state != KV_ABSENT && (back || v->state == KV_ABSENT))
		row->era = ++f->era;
	if (back)
		log_warning("the server went back to an earlier version", F_STR("path", row->path),
			    F_INT("version", v->number), F_INT("before", row->number));
	if (v->number != row->number || v->state != row->state || v->created != row->created) {
		row->at = now;
		row->undeleted = false;
		set_wrote_locked(f, row, 0);
	}
	row->state = v->state;
	if (v->state != KV_ABSENT) {
		row->number = v->number;
		row->created = v->created;
	}
	row->refuted = false;
	row->doubted = 0;
}

static bool is_proven(const struct floors *f, const struct floor *row, const struct kv_version *v,
		      bool certain, uint64_t now)
{
	/* The refuted version is the latest after all: the server that refused lags behind. Or
	 * somebody has undeleted the version that we have just deleted. */
	if (certain && v->number == row->number)
		return true;
	/* Purged and made again: a lagging copy cannot know a later version. */
	if (certain && v->created > row->created)
		return true;
	if (is_recent(row, now, GRACE))
		return false;
	return certain || (now - row->doubted >= CONFIRM_TIME && row->doubts > 2 * f->addresses);
}

bool floors_is_old(struct floors *f, const char *path, struct kv_version *v, uint64_t begun,
		   bool certain)
{
	LOCK_SCOPE(&f->lock);
	struct floor *row = find_locked(f, path);
	uint64_t now = clock_mono();

	if (!row && v->state != KV_ABSENT)
		row = add_locked(f, path);
	v->era = row ? row->era : f->era;
	if (!row)
		return false;
	if (is_older(row, v, now)) {
		if (begun <= row->at)
			return true; /* it may have been sent before we knew better */
		if (!row->doubted) {
			row->doubted = now;
			row->doubts = 0;
		}
		row->doubts++;
		if (!is_proven(f, row, v, certain, now))
			return true;
	}
	take_locked(f, row, v, now);
	v->era = row->era;
	return false;
}

void floors_wrote(struct floors *f, const char *path, struct kv_version *v)
{
	LOCK_SCOPE(&f->lock);
	struct floor *row = add_locked(f, path);

	v->era = row ? row->era : f->era;
	/* The answers to two writes may arrive in reverse order. */
	if (!row ||
	    (row->state != KV_ABSENT && v->number < row->number && v->created <= row->created))
		return;
	HASH_DEL(f->table, row); /* the latest are kept for longest */
	HASH_ADD_STR(f->table, path, row);
	take_locked(f, row, v, clock_mono());
	row->state = KV_LIVE;
	row->undeleted = false;
	v->era = row->era;
	set_wrote_locked(f, row, row->at = clock_mono());
}

void floors_changed(struct floors *f, const char *path, int64_t number, enum kv_state state)
{
	LOCK_SCOPE(&f->lock);
	struct floor *row = find_locked(f, path);

	if (!row || row->number != number || row->state == KV_ABSENT)
		return;
	row->state = state;
	row->undeleted = state == KV_LIVE;
	row->doubted = 0;
	set_wrote_locked(f, row, row->at = clock_mono());
}

void floors_purged(struct floors *f, const char *path)
{
	LOCK_SCOPE(&f->lock);
	struct floor *row = add_locked(f, path);

	if (!row)
		return;
	row->state = KV_ABSENT;
	row->refuted = false;
	row->doubted = 0;
	row->era = ++f->era;
	set_wrote_locked(f, row, row->at = clock_mono());
}

bool floors_are_new(struct floors *f, const char *path)
{
	LOCK_SCOPE(&f->lock);
	const struct floor *row = find_locked(f, path);

	return row && clock_mono() < row->at + LAG_MAX;
}

bool floors_are_ours(struct floors *f, const char *path, int64_t number)
{
	LOCK_SCOPE(&f->lock);
	const struct floor *row = find_locked(f, path);
	uint64_t now = clock_mono();

	return row && is_recent(row, now, LAG_MAX) &&
	       number == (row->state == KV_ABSENT ? 0 : row->number);
}

void floors_refuted(struct floors *f, const char *path, int64_t number)
{
	LOCK_SCOPE(&f->lock);
	struct floor *row = add_locked(f, path);

	if (!row || (row->state != KV_ABSENT && number < row->number))
		return;
	row->refuted = true;
	row->not = number;
	row->at = clock_mono();
}

/* The entry that a listing of `folder` must have for this secret: its name, heap, and its kind.
 * NULL if the secret is elsewhere. */
static char *name_in(const struct floor *row, const char *folder, unsigned *kind)
{
	size_t len = strlen(folder);
	const char *rest = row->path;

	if (len && (strncmp(rest, folder, len) != 0 || rest[len] != '/'))
		return NULL;
	rest += len ? len + 1 : 0;
	*kind = strchr(rest, '/') ? KV_ENTRY_FOLDER : KV_ENTRY_SECRET;
	return *rest ? strndup(rest, strcspn(rest, "/")) : NULL;
}

bool floors_are_live(struct floors *f, const char *path, bool below)
{
	LOCK_SCOPE(&f->lock);
	const struct floor *row = find_locked(f, path);
	struct floor *other, *next;
	unsigned kind;

	if (!below)
		return row && row->state == KV_LIVE;
	HASH_ITER (hh, f->table, other, next) {
		_cleanup_free_ char *name =
			other->state == KV_LIVE ? name_in(other, path, &kind) : NULL;

		if (name)
			return true;
	}
	return false;
}

/* The kinds that the entry should have: its present ones, corrected by the known state. */
static unsigned kinds_due(const struct floor *row, unsigned kinds, unsigned kind)
{
	if (row->state != KV_ABSENT)
		return kinds | kind;
	return kind == KV_ENTRY_SECRET ? kinds & ~kind : kinds;
}

bool floors_miss(struct floors *f, const char *folder, const struct kv_list *list)
{
	LOCK_SCOPE(&f->lock);
	uint64_t now = clock_mono();
	struct floor *row;

	DL_FOREACH (f->written, row) {
		unsigned kind, kinds;
		_cleanup_free_ char *name = NULL;

		if (!is_recent(row, now, LAG_MAX))
			break;
		if (is_recent(row, now, GRACE))
			continue;
		name = name_in(row, folder, &kind);
		kinds = name ? kv_list_find(list, name) : 0;
		if (name && kinds_due(row, kinds, kind) != kinds)
			return true;
	}
	return false;
}

int floors_amend(struct floors *f, const char *folder, bool lags, struct kv_list **list)
{
	LOCK_SCOPE(&f->lock);
	uint64_t now = clock_mono();
	struct floor *row;

	DL_FOREACH (f->written, row) {
		unsigned kind, kinds;
		_cleanup_free_ char *name = NULL;
		struct kv_list *with;

		if (!is_recent(row, now, lags ? LAG_MAX : GRACE))
			break;
		name = name_in(row, folder, &kind);
		kinds = name ? kv_list_find(*list, name) : 0;
		if (!name || kinds_due(row, kinds, kind) == kinds)
			continue;
		with = kv_list_with(*list, name, kinds_due(row, kinds, kind));
		if (!with)
			return -ENOMEM;
		object_put(*list);
		*list = with;
	}
	return 0;
}
