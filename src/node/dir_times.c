// SPDX-License-Identifier: Apache-2.0
/* The times of directories, which no server holds.
 *
 *      nothing is known           the mount's time
 *      a version is shown         its created_time
 *      a name comes or goes       now
 *      utimes(2)                  what was given, until one of the above happens
 *
 * st_mtime does not go backwards but by utimes(2), and by the first version that is seen. Programs
 * that poll a directory, or keep a lock by touching one, see what they would see on tmpfs. st_ctime is
 * of what has happened since the mount: tar(1) would take it for a change where a time is learnt while
 * it reads. The kernel forgets directories when it likes, so their times outlive their nodes. */

#include "node/dir_times.h"

#include "base/clock.h"

#include <stdlib.h>

#define ROWS_MAX 4096

struct times_row {
	UT_hash_handle hh; /* by `ino`, in the order of their coming */
	uint64_t ino;
	struct dir_times times;
};

static void advance(struct dir_times *d, int64_t to, int64_t now)
{
	if (d->known && !d->set && to <= d->modified)
		to = d->modified + 1;
	d->modified = to;
	d->changed = now;
	d->known = true;
	d->set = false;
}

void dir_times_move(struct dir_times *d, int64_t now)
{
	advance(d, now, now);
}

void dir_times_learn(struct dir_times *d, int64_t created, bool after_another, int64_t now)
{
	bool first = d->created == 0;

	if (created <= 0 || created == d->created) {
		if (after_another)
			dir_times_move(d, now);
		return;
	}
	d->created = created;
	if (!first)
		advance(d, created, now);
	else if (!d->known || (!d->set && created > d->modified))
		d->modified = created;
	d->known = true;
}

static int64_t given(const struct timespec *t, int64_t now, int64_t old)
{
	if (t->tv_nsec == UTIME_NOW)
		return now;
	return t->tv_nsec == UTIME_OMIT ? old
					: (int64_t)t->tv_sec * (int64_t)NS_PER_SEC + t->tv_nsec;
}

void dir_times_set(struct dir_times *d, const struct timespec times[2], int64_t now,
		   int64_t started)
{
	bool reads = times[0].tv_nsec != UTIME_OMIT, writes = times[1].tv_nsec != UTIME_OMIT;
	int64_t old = d->known ? d->modified : started;

	if (!reads && !writes)
		return;
	d->changed = now;
	/* st_atime stays where it was, also where st_mtime moves away. */
	d->read = given(&times[0], now, d->read ? d->read : old);
	if (!writes)
		return;
	d->modified = given(&times[1], now, old);
	d->set = d->known = true;
}

void dir_times_stat(const struct dir_times *d, int64_t started, struct stat *attr)
{
	attr->st_mtim = clock_timespec(d->known ? d->modified : started);
	if (d->read)
		attr->st_atim = clock_timespec(d->read);
	attr->st_ctim = clock_timespec(d->changed ? d->changed : started);
}

void dir_times_keep(struct times_row **rows, uint64_t ino, const struct dir_times *d)
{
	struct times_row *row, *oldest;

	HASH_FIND(hh, *rows, &ino, sizeof(ino), row);
	if (row) {
		row->times = *d;
		return;
	}
	row = calloc(1, sizeof(*row));
	if (!row)
		return;
	if (HASH_COUNT(*rows) >= ROWS_MAX) {
		oldest = *rows;
		HASH_DELETE(hh, *rows, oldest);
		free(oldest);
	}
	row->ino = ino;
	row->times = *d;
	HASH_ADD(hh, *rows, ino, sizeof(row->ino), row);
}

struct dir_times dir_times_take(struct times_row **rows, uint64_t ino)
{
	struct dir_times times = {0};
	struct times_row *row;

	HASH_FIND(hh, *rows, &ino, sizeof(ino), row);
	if (row) {
		times = row->times;
		HASH_DELETE(hh, *rows, row);
		free(row);
	}
	return times;
}

void dir_times_drop_all(struct times_row **rows)
{
	struct times_row *row, *next;

	HASH_ITER (hh, *rows, row, next) {
		HASH_DELETE(hh, *rows, row);
		free(row);
	}
}
