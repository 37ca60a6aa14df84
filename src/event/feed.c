// SPDX-License-Identifier: Apache-2.0
/* A ring of lines, numbered from the first that ever was:
 *
 *      first kept            next
 *      v                     v
 *      [ 17 | 18 | 19 | 20 ] 21
 *             ^
 *             a reader: the number of the line that it gets next, and how much of it it has
 *
 * A reader whose line is not kept any more gets one that says how many it has lost, and goes on with the
 * first that is. */

#include "event/feed.h"

#include "base/cleanup.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define KEPT 1024

struct feed_reader {
	struct feed *feed;
	struct feed_reader *prev, *next;
	uint64_t line; /* that comes next */
	char *part;    /* what is left of a line that did not fit */
	struct feed_waker waker;
};

struct feed {
	pthread_mutex_t lock; /* guards all below, and the readers */
	char *lines[KEPT];
	uint64_t next;
	struct feed_reader *readers;
	struct waitq waiting;
	bool ended;
};

struct feed *feed_new(void)
{
	struct feed *f = calloc(1, sizeof(*f));

	if (f)
		pthread_mutex_init(&f->lock, NULL);
	return f;
}

void feed_free(struct feed *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < KEPT; i++)
		free(f->lines[i]);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

/* Those who are to be woken are taken out under the lock, and woken without it. */
struct wakes {
	size_t count;
	struct feed_waker *all;
};

static void take_wakes_locked(struct feed *f, struct wakes *to)
{
	struct feed_reader *r;
	int n;

	DL_COUNT(f->readers, r, n);
	to->all = n ? calloc((size_t)n, sizeof(*to->all)) : NULL;
	DL_FOREACH (f->readers, r) {
		if (!r->waker.wake || !to->all)
			continue;
		to->all[to->count++] = r->waker;
		r->waker = (struct feed_waker){0};
	}
}

void feed_add(struct feed *f, const struct event *e)
{
	_cleanup_buf_ struct buf line = {0};
	struct wakes wakes = {0};
	struct waitq waiting;
	char *copy;

	event_print(e, &line);
	copy = buf_status(&line) == 0 ? strdup(line.data) : NULL;
	pthread_mutex_lock(&f->lock);
	/* Without memory its readers are told that they have lost it. */
	free(f->lines[f->next % KEPT]);
	f->lines[f->next++ % KEPT] = copy;
	waiting = waitq_take_locked(&f->waiting);
	take_wakes_locked(f, &wakes);
	pthread_mutex_unlock(&f->lock);
	waitq_wake(waiting);
	for (size_t i = 0; i < wakes.count; i++)
		wakes.all[i].wake(wakes.all[i].arg);
	free(wakes.all);
}

struct feed_reader *feed_open(struct feed *f)
{
	struct feed_reader *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->feed = f;
	pthread_mutex_lock(&f->lock);
	r->line = f->next;
	DL_APPEND(f->readers, r);
	pthread_mutex_unlock(&f->lock);
	return r;
}

void feed_close(struct feed_reader *r)
{
	struct feed *f = r->feed;
	struct waitq waiting;

	pthread_mutex_lock(&f->lock);
	DL_DELETE(f->readers, r);
	/* Who was interrupted while he waited is still in the queue: the others come back to it. */
	waiting = waitq_take_locked(&f->waiting);
	pthread_mutex_unlock(&f->lock);
	waitq_wake(waiting);
	if (r->waker.drop)
		r->waker.drop(r->waker.arg);
	free(r->part);
	free(r);
}

/* The next line, heap, or NULL. */
static char *next_locked(struct feed_reader *r)
{
	struct feed *f = r->feed;
	uint64_t lost = 0;
	char *line;

	if (r->part)
		return steal(r->part);
	if (f->next - r->line > KEPT) {
		lost = f->next - KEPT - r->line;
		r->line = f->next - KEPT;
	}
	while (r->line < f->next && !f->lines[r->line % KEPT]) {
		lost++;
		r->line++;
	}
	if (lost) {
		_cleanup_buf_ struct buf told = {0};

		event_print_lost(lost, &told);
		return buf_status(&told) == 0 ? strdup(told.data) : NULL;
	}
	if (r->line == f->next)
		return NULL;
	line = strdup(f->lines[r->line % KEPT]);
	r->line += line != NULL;
	return line;
}

static bool is_ready_locked(const struct feed_reader *r)
{
	return r->part || r->line < r->feed->next;
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

	pthread_mutex_lock(&r->feed->lock);
	is_ready = is_ready_locked(r);
	if (waker && is_ready) {
		old = *waker;
	} else if (waker) {
		old = r->waker;
		r->waker = *waker;
	}
	pthread_mutex_unlock(&r->feed->lock);
	if (old.drop)
		old.drop(old.arg);
	return is_ready;
}

void feed_end(struct feed *f)
{
	struct waitq waiting;

	pthread_mutex_lock(&f->lock);
	f->ended = true;
	waiting = waitq_take_locked(&f->waiting);
	pthread_mutex_unlock(&f->lock);
	waitq_wake(waiting);
}

bool feed_is_read(struct feed *f)
{
	LOCK_SCOPE(&f->lock);

	return f->readers != NULL;
}
