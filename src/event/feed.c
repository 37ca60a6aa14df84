// SPDX-License-Identifier: Apache-2.0
/* A ring of lines, numbered from the first that ever was:
 *
 *      first kept            next
 *      v                     v
 *      [ 17 | 18 | 19 | 20 ] 21
 *             ^
 *             a reader: the number of its next line, and how much of that it has read
 *
 * If a reader's line was dropped, it gets a line with the number of those lost, and goes on with
 * the oldest kept line. Lines that its filter hides do not exist for it: they are not read, not
 * waited for, and not counted as lost. */

#include "event/feed.h"

#include "base/cleanup.h"
#include "base/lock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define KEPT 1024

/* One change. All NULL: there was no memory. */
struct row {
	char *secret;
	char *full, *bare; /* lines with and without the names of the fields */
};

struct feed_reader {
	struct feed *feed;
	struct feed_reader *prev, *next;
	struct feed_filter filter;
	uint64_t line; /* the next one to read */
	uint64_t lost; /* visible lines that were dropped before it read them */
	char *part;    /* the rest of a line that did not fit */
	struct feed_waker waker;
};

struct feed {
	struct lock lock; /* guards all below, and the readers */
	struct row rows[KEPT];
	uint64_t next;
	struct feed_reader *readers;
	struct waitq waiting;
	bool ended;
};

struct feed *feed_new(void)
{
	struct feed *f = calloc(1, sizeof(*f));

	if (f)
		lock_init(&f->lock, LOCK_FEED);
	return f;
}

static void row_fini(struct row *row)
{
	free(row->secret);
	free(row->full);
	free(row->bare);
	*row = (struct row){0};
}

void feed_free(struct feed *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < KEPT; i++)
		row_fini(&f->rows[i]);
	lock_fini(&f->lock);
	free(f);
}

static char *print(const struct event *e)
{
	_cleanup_buf_ struct buf line = {0};

	event_print(e, &line);
	return buf_status(&line) == 0 ? strdup(line.data) : NULL;
}

static struct row row_new(const struct event *e)
{
	struct event bare = *e;
	struct row row = {.secret = strdup(e->secret), .full = print(e)};

	bare.count = 0;
	row.bare = print(&bare);
	if (!row.secret || !row.full || !row.bare)
		row_fini(&row);
	return row;
}

/* The text of the reader's next line; NULL if the reader may not see it. A row without memory
 * counts as visible. */
static const char *text_locked(const struct feed_reader *r)
{
	LOCK_HELD(&r->feed->lock);
	const struct row *row = &r->feed->rows[r->line % KEPT];

	if (!r->filter.view || !row->secret)
		return row->full;
	switch (r->filter.view(r->filter.arg, row->secret)) {
	case FEED_ALL:
		return row->full;
	case FEED_BARE:
		return row->bare;
	default:
		return NULL;
	}
}

static bool is_for_locked(const struct feed_reader *r)
{
	LOCK_HELD(&r->feed->lock);

	return !r->feed->rows[r->line % KEPT].secret || text_locked(r);
}

/* Drops the oldest row: readers that have not read it have lost it. */
static void lose_oldest_locked(struct feed *f)
{
	LOCK_HELD(&f->lock);
	struct feed_reader *r;

	if (f->next < KEPT)
		return;
	DL_FOREACH (f->readers, r) {
		if (r->line != f->next - KEPT)
			continue;
		r->lost += is_for_locked(r);
		r->line++;
	}
}

/* Wakers are collected under the lock, and called without it. */
struct wakes {
	size_t count;
	struct feed_waker *all;
};

/* Skips lines that the reader may not see; whether there is something to read then. */
static bool is_ready_locked(struct feed_reader *r)
{
	LOCK_HELD(&r->feed->lock);

	if (r->part || r->lost)
		return true;
	while (r->line < r->feed->next && !is_for_locked(r))
		r->line++;
	return r->line < r->feed->next;
}

static void take_wakes_locked(struct feed *f, struct wakes *to)
{
	LOCK_HELD(&f->lock);
	struct feed_reader *r;
	int n;

	DL_COUNT(f->readers, r, n);
	to->all = n ? calloc((size_t)n, sizeof(*to->all)) : NULL;
	DL_FOREACH (f->readers, r) {
		if (!r->waker.wake || !to->all || !is_ready_locked(r))
			continue;
		to->all[to->count++] = r->waker;
		r->waker = (struct feed_waker){0};
	}
}

void feed_add(struct feed *f, const struct event *e)
{
	struct row row = row_new(e);
	struct wakes wakes = {0};
	struct waitq waiting;

	lock_acquire(&f->lock);
	lose_oldest_locked(f);
	row_fini(&f->rows[f->next % KEPT]);
	f->rows[f->next++ % KEPT] = row;
	waiting = waitq_take_locked(&f->waiting);
	take_wakes_locked(f, &wakes);
	lock_release(&f->lock);
	waitq_wake(waiting);
	for (size_t i = 0; i < wakes.count; i++)
		wakes.all[i].wake(wakes.all[i].arg);
	free(wakes.all);
}

static void filter_end(const struct feed_filter *filter)
{
	if (filter->free)
		filter->free(filter->arg);
}

struct feed_reader *feed_open(struct feed *f, const struct feed_filter *filter)
{
	struct feed_reader *r = calloc(1, sizeof(*r));

	if (!r) {
		filter_end(filter);
		return NULL;
	}
	r->feed = f;
	r->filter = *filter;
	lock_acquire(&f->lock);
	r->line = f->next;
	DL_APPEND(f->readers, r);
	lock_release(&f->lock);
	return r;
}

void feed_close(struct feed_reader *r)
{
	struct feed *f = r->feed;
	struct waitq waiting;

	lock_acquire(&f->lock);
	DL_DELETE(f->readers, r);
	/* An interrupted reader is still in the queue; the others will queue again. */
	waiting = waitq_take_locked(&f->waiting);
	lock_release(&f->lock);
	waitq_wake(waiting);
	if (r->waker.drop)
		r->waker.drop(r->waker.arg);
	filter_end(&r->filter);
	free(r->part);
	free(r);
}

static char *print_lost(uint64_t lost)
{
	_cleanup_buf_ struct buf told = {0};

	event_print_lost(lost, &told);
	return buf_status(&told) == 0 ? strdup(told.data) : NULL;
}

/* The next line, heap, or NULL. */
static char *next_locked(struct feed_reader *r)
{
	LOCK_HELD(&r->feed->lock);
	uint64_t lost = r->lost;
	char *line;

	if (r->part)
		return steal(r->part);
	r->lost = 0;
	while (is_ready_locked(r) && !text_locked(r)) {
		lost++;
		r->line++;
	}
	if (lost)
		return print_lost(lost);
	if (!is_ready_locked(r))
		return NULL;
	line = strdup(text_locked(r));
	r->line += line != NULL;
	return line;
}

int feed_read(struct feed_reader *r, size_t size, const struct ask *ask, struct buf *out)
{
	LOCK_SCOPE(&r->feed->lock);

	if (!is_ready_locked(r))
		return r->feed->ended ? -ECONNABORTED : waitq_park_locked(&r->feed->waiting, ask);
	while (out->len < size) {
		_cleanup_free_ char *line = next_locked(r);
		size_t len = line ? strlen(line) : 0, room = size - out->len;

		if (!line)
			break;
		if (len <= room) {
			buf_add(out, line, len);
			continue;
		}
		if (out->len == 0) {
			buf_add(out, line, room);
			r->part = strdup(line + room);
		} else {
			r->part = steal(line);
		}
		break;
	}
	return buf_status(out);
}

bool feed_poll(struct feed_reader *r, const struct feed_waker *waker)
{
	struct feed_waker old = {0};
	bool is_ready;

	lock_acquire(&r->feed->lock);
	is_ready = is_ready_locked(r);
	if (waker && is_ready) {
		old = *waker;
	} else if (waker) {
		old = r->waker;
		r->waker = *waker;
	}
	lock_release(&r->feed->lock);
	if (old.drop)
		old.drop(old.arg);
	return is_ready;
}

void feed_end(struct feed *f)
{
	struct waitq waiting;

	lock_acquire(&f->lock);
	f->ended = true;
	waiting = waitq_take_locked(&f->waiting);
	lock_release(&f->lock);
	waitq_wake(waiting);
}

bool feed_is_read(struct feed *f)
{
	LOCK_SCOPE(&f->lock);

	return f->readers != NULL;
}
