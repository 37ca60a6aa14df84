/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EVENT_FEED_H
#define EVENT_FEED_H

#include "base/wait.h"
#include "event/event.h"

/* Changes as lines, for any number of readers; each gets those that come after it has opened the
 * feed. A slow reader misses lines beyond a bound, and they are counted. Thread-safe. */
struct feed;
struct feed_reader;

/* NULL: no memory. All readers must be closed before it is freed; NULL is fine. */
struct feed *feed_new(void);
void feed_free(struct feed *f);

void feed_add(struct feed *f, const struct event *e);

/* How much a reader may see of a secret's changes. */
enum feed_view { FEED_NOTHING, FEED_BARE, FEED_ALL }; /* bare: without the names of the fields */

/* Called with the feed's lock held, from any thread; must not wait, nor call the feed. `free` runs
 * when the reader is closed. */
struct feed_filter {
	enum feed_view (*view)(void *arg, const char *secret); /* NULL: show everything */
	void (*free)(void *arg);
	void *arg;
};

/* Takes the filter, even if it returns NULL: no memory. */
struct feed_reader *feed_open(struct feed *f, const struct feed_filter *filter);
void feed_close(struct feed_reader *r);

/* Appends whole lines. If the first one is longer than `size`, appends a part; the rest comes next.
 * 0, or PARKED if there is nothing yet. */
int feed_read(struct feed_reader *r, size_t size, const struct ask *ask, struct buf *out);

/* Called once when there is something to read: `wake`, from any thread, without a lock. If it is no
 * longer needed, `drop` is called instead. */
struct feed_waker {
	void (*wake)(void *arg);
	void (*drop)(void *arg);
	void *arg;
};

/* Whether there is something to read. If not, `waker` (NULL: none) replaces the previous one, which
 * is dropped; if so, `waker` itself is dropped. */
bool feed_poll(struct feed_reader *r, const struct feed_waker *waker);

/* Wakes all who wait, and lets nobody wait from now on: the mount ends. */
void feed_end(struct feed *f);

/* Whether there is any reader. */
bool feed_is_read(struct feed *f);

#endif
