// SPDX-License-Identifier: Apache-2.0
/* Notices, in two steps with a thread each.
 *
 *      notice --> [pages: drop them, touch the files] --> tree_noticed()
 *                      |
 *                      `--> [names: drop, make, remove them] --> tree_notice_free()
 *
 * Dropping a name takes the lock of its directory in the kernel, and a look-up that waits for the
 * server holds that: so names come second, where nobody waits for them, and with a helper of their
 * own.
 *
 * A probe is how we learn what somebody waits for who never asks: the kernel lets go of a name that was
 * not used for long, and with it of all that nobody has open, watches or stands in. What it still knows
 * after that is held. A directory is looked up anew at once, since a process may stand in it. */

#include "fs/notify.h"

#include "fs/internal.h"

#include "base/clock.h"
#include "node/node.h"

#include <errno.h>
#include <string.h>

#define HELPER_TIME  NS_PER_SEC /* readers wait: later it could be of the old size */
#define HELPER_FILES 64		/* of one secret: more would keep its readers waiting */
#define WATCHER_TIME NS_PER_SEC
#define FORGET_TIME  (50 * NS_PER_MS)

struct step {
	struct notifier *notifier;
	void (*work)(struct fs *fs, struct notice *notice);
	struct step *then;
	pthread_t thread;
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t more;
	struct notice *head, **tail;
	bool stop;
};

struct notifier {
	struct fs *fs;
	struct step pages, names;
};

/* Has the helper do what those are to see who watch the file; or just ask for its size, since a
 * reader's fstat may still get the old one from a race within the kernel, unless somebody has asked for
 * the new one before it. False where the helper is stuck. */
static bool show(struct fs *fs, const struct notice_item *item, uint64_t timeout)
{
	enum helper_act act = item->act == NOTICE_TOUCH ? HELPER_TOUCH : HELPER_STAT;

	return helper_do(fs->config.helper, act, item->path, timeout) != -ETIMEDOUT;
}

static bool has_content(const struct notice_item *item)
{
	return item->node && !item->gone && item->act != NOTICE_APPEAR && item->act != NOTICE_PROBE;
}

static void drop_pages(struct fs *fs, struct notice *notice)
{
	size_t i, asked = 0;
	bool stuck = false;

	for (i = 0; i < notice->count; i++)
		if (notice->items[i].node && !notice->items[i].kept &&
		    notice->items[i].act != NOTICE_PROBE)
			fuse_lowlevel_notify_inval_inode(fs->session,
							 call_ino(fs, notice->items[i].node), 0, 0);
	for (i = 0; i < notice->count && asked < HELPER_FILES && !stuck; i++) {
		if (!has_content(&notice->items[i]))
			continue;
		stuck = !show(fs, &notice->items[i], HELPER_TIME);
		asked++;
	}
	tree_noticed(fs->tree, notice);
	/* The rest, for whom no reader is kept waiting. What the helper was told and has not done it
	 * does later: to tell it again would be once too often. */
	stuck = false;
	for (; i < notice->count; i++)
		if (has_content(&notice->items[i]) && notice->items[i].act == NOTICE_TOUCH)
			stuck = !show(fs, &notice->items[i], stuck ? 0 : WATCHER_TIME);
}

/* Makes or removes the name for all to see; true where the kernel has it right by that. */
static bool show_name(struct fs *fs, const struct notice_item *item, bool *stuck)
{
	bool dir = S_ISDIR(item->node->type->format);
	enum helper_act act = dir ? HELPER_RMDIR : HELPER_UNLINK;
	int r;

	if (*stuck)
		return false;
	if (item->act == NOTICE_APPEAR)
		act = dir ? HELPER_MKDIR : HELPER_MAKE;
	r = helper_do(fs->config.namer, act, item->path, WATCHER_TIME);
	*stuck = r == -ETIMEDOUT;
	return r == 0;
}

/* The kernel says what it has forgotten a little later. */
static void find_again(struct fs *fs, const struct notice *notice)
{
	cancel_sleep(NULL, clock_mono() + FORGET_TIME);
	for (size_t i = 0; i < notice->count; i++)
		if (notice->items[i].act == NOTICE_PROBE &&
		    tree_is_known(fs->tree, notice->items[i].node) &&
		    helper_do(fs->config.namer, HELPER_STAT, notice->items[i].path, WATCHER_TIME) ==
			    -ETIMEDOUT)
			return;
}

static void drop_names(struct fs *fs, struct notice *notice)
{
	bool stuck = false;
	size_t probes = 0;

	for (size_t i = 0; i < notice->count; i++) {
		const struct notice_item *item = &notice->items[i];
		bool named = item->act == NOTICE_APPEAR || item->act == NOTICE_LEAVE;

		if (named && show_name(fs, item, &stuck))
			continue;
		if (item->act == NOTICE_PROBE)
			probes++;
		if (named || item->act == NOTICE_PROBE || item->gone || !item->node)
			fuse_lowlevel_notify_inval_entry(fs->session, call_ino(fs, notice->dir),
							 item->name, strlen(item->name));
	}
	if (probes)
		find_again(fs, notice);
	if (notice->event)
		fs->config.happened(fs->config.arg, notice->event);
	tree_notice_free(fs->tree, notice);
}

static void push(struct step *s, struct notice *notice)
{
	LOCK_SCOPE(&s->lock);

	notice->next = NULL;
	*s->tail = notice;
	s->tail = &notice->next;
	pthread_cond_signal(&s->more);
}

static struct notice *pull(struct step *s)
{
	LOCK_SCOPE(&s->lock);
	struct notice *notice;

	while (!s->head && !s->stop)
		pthread_cond_wait(&s->more, &s->lock);
	notice = s->head;
	if (notice)
		s->head = notice->next;
	if (!s->head)
		s->tail = &s->head;
	return notice;
}

static void *step_main(void *arg)
{
	struct step *s = arg;
	struct notice *notice;

	while ((notice = pull(s))) {
		s->work(s->notifier->fs, notice);
		if (s->then)
			push(s->then, notice);
	}
	return NULL;
}

static int step_start(struct step *s, struct notifier *n, struct step *then,
		      void (*work)(struct fs *, struct notice *))
{
	s->notifier = n;
	s->work = work;
	s->then = then;
	s->tail = &s->head;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->more, NULL);
	return pthread_create(&s->thread, NULL, step_main, s);
}

static void step_end(struct step *s)
{
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_signal(&s->more);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	pthread_cond_destroy(&s->more);
	pthread_mutex_destroy(&s->lock);
}

struct notifier *notifier_new(struct fs *fs, struct err *err)
{
	struct notifier *n = calloc(1, sizeof(*n));
	int r = ENOMEM;

	if (n) {
		n->fs = fs;
		r = step_start(&n->names, n, NULL, drop_names);
		if (r == 0) {
			r = step_start(&n->pages, n, &n->names, drop_pages);
			if (r != 0)
				step_end(&n->names);
		}
	}
	if (r == 0)
		return n;
	err_set(err, r, "cannot start the notice threads: %s", strerror(r));
	free(n);
	return NULL;
}

void notifier_free(struct notifier *n)
{
	if (!n)
		return;
	step_end(&n->pages);
	step_end(&n->names);
	free(n);
}

void notifier_add(struct notifier *n, struct notice *notice)
{
	push(&n->pages, notice);
}
