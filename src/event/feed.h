/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EVENT_FEED_H
#define EVENT_FEED_H

#include "base/wait.h"
#include "event/event.h"

/* Changes as lines, for any number of readers: each is given what comes after it has begun to read. Only
 * so much is kept for who is slow; what he missed is counted. Thread-safe. */
struct feed;
struct feed_reader;

/* NULL: no memory. No reader may be left when it is freed; NULL is fine. */
struct feed *feed_new(void);
void feed_free(struct feed *f);

void feed_add(struct feed *f, const struct event *e);

/* How much of the changes of a secret, by its path in the engine, a reader is told. */
enum feed_view { FEED_NOTHING, FEED_BARE, FEED_ALL }; /* bare: without the names of the fields */

/* Asked with the feed's lock held, from any thread; must not wait, nor call us. `free` when the reader is
 * closed. */
struct feed_filter {
	enum feed_view (*view)(void *arg, const char *secret); /* NULL: all is told */
	void (*free)(void *arg);
	void *arg;
};

/* Takes the filter, also where it returns NULL: no memory. */
struct feed_reader *feed_open(struct feed *f, const struct feed_filter *filter);
void feed_close(struct feed_reader *r);

/* Appends whole lines, and of the first one that is longer than `size` a part: what is left of it comes
 * next. 0, or PARKED where there is nothing yet. */
int feed_read(struct feed_reader *r, size_t size, const struct ask *ask, struct buf *out);

/* What is done, once, when there is something to read: `wake`, from any thread, without a lock; or `drop`
 * where it is not wanted any more. */
struct feed_waker {
	void (*wake)(void *arg);
	void (*drop)(void *arg);
	void *arg;
};

/* Whether there is something to read. If not, `waker` (NULL: none) takes the place of the one before;
 * else it is dropped. */
bool feed_poll(struct feed_reader *r, const struct feed_waker *waker);

/* Has nobody wait any more, and lets nobody wait who asks from now on: at the end of the mount. */
void feed_end(struct feed *f);

/* Whether anybody reads. */
bool feed_is_read(struct feed *f);

#endif
