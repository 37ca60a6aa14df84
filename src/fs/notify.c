// SPDX-License-Identifier: Apache-2.0
/* Notices, in two steps with a thread each.
 *
 *      notice --> [pages: drop them, touch the files] --> tree_noticed()
 *                      |
 *                      `--> [names: drop, make, remove them] --> notice_free()
 *
 * No thread of ours may wait in the kernel for a lock. A request that holds it is answered by us; if we
 * are killed before that, the thread cannot end, /dev/fuse stays open, and the request is never
 * answered:
 *
 *      rename(2)   holds the directory's lock, waits for our answer
 *      our thread  waits for the directory's lock, and so does not die
 *      /dev/fuse   is closed, and rename(2) ended, when all of our threads have died
 *
 * The kernel's notices about names (FUSE_NOTIFY_INVAL_ENTRY, _DELETE) take the directory's lock, those
 * about pages the lock of each page, which a read(2) holds. There is no right moment for them: the
 * request may come after we have looked. So we only ever tell the kernel that attributes are out of
 * date, which takes no such lock, and the helpers do the rest by asking for what we want to be seen:
 * they have no /dev/fuse, and may wait. Pages are dropped in the kernel by a process that asks for
 * attributes and gets another time than before; a name by one that wants to make it: the kernel asks
 * us about it then, and we say that there is nothing.
 *
 * Dropping a name waits for its directory, and a look-up that waits for the server holds that: so names
 * come second, where nobody waits for them, and with a helper of their own.
 *
 * A probe is how we learn what somebody waits for who never asks: the kernel lets go of a name that was
 * not used for long, and with it of all that nobody has open, watches or stands in. What it still knows
 * after that is held. A directory is looked up anew at once, since a process may stand in it. */

#include "fs/notify.h"

#include "fs/internal.h"

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "node/node.h"
#include "node/notice.h"

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
	struct lock lock; /* guards all below */
	struct cond more;
	struct notice *head, **tail;
	bool stop;
};

/* A name that the kernel is about to let go of. */
struct drop {
	fuse_ino_t dir;
	const char *name;
};

struct notifier {
	struct fs *fs;
	struct step pages, names;
	struct lock lock;   /* guards all below */
	struct drop drop;   /* name is NULL: none */
	struct node *clear; /* the file of which the kernel is to drop its pages; NULL: none */
};

struct node *notifier_clears(struct notifier *n)
{
	LOCK_SCOPE(&n->lock);

	if (n->clear)
		tree_hold(n->fs->tree, n->clear);
	return n->clear;
}

static void set_clear(struct notifier *n, struct node *node)
{
	LOCK_SCOPE(&n->lock);

	n->clear = node;
}

static int clear(struct fs *fs, struct node *node, uint64_t timeout)
{
	int r;

	if (!S_ISREG(node->type->format))
		return 0;
	set_clear(fs->notifier, node);
	r = helper_do(fs->config.helpers.helper, HELPER_STAT, "/" CLEAR_NAME, timeout);
	set_clear(fs->notifier, NULL);
	/* By that name the kernel would hold the file. */
	if (r != -ETIMEDOUT)
		r = helper_do(fs->config.helpers.helper, HELPER_DROP, "/" CLEAR_NAME, timeout);
	return r;
}

/* Has the helper do what those are to see who watch the file; or just ask for its size: the kernel
 * drops the pages of another version by that, and a reader's fstat may still get the old size from a
 * race within the kernel, unless somebody has asked for the new one before it. Of what can be had no
 * more the pages go too. False where the helper is stuck. */
static bool show(struct fs *fs, const struct notice_item *item, uint64_t timeout)
{
	enum helper_act act = item->act == NOTICE_TOUCH ? HELPER_TOUCH : HELPER_STAT;
	int r = -ENOENT;

	if (!item->gone)
		r = helper_do(fs->config.helpers.helper, act, item->path, timeout);
	if (r < 0 && r != -ETIMEDOUT && r != -EAGAIN)
		r = clear(fs, item->node, timeout);
	return r != -ETIMEDOUT;
}

/* With fast_open a version that nothing has replaced is taken back. */
static bool has_content(const struct fs *fs, const struct notice_item *item)
{
	if (!item->node || item->act == NOTICE_APPEAR || item->act == NOTICE_PROBE)
		return false;
	return !item->gone || (fs->config.fast_open && !item->kept);
}

static void drop_pages(struct fs *fs, struct notice *notice)
{
	size_t i, asked = 0;
	bool stuck = false;

	/* The time of the directory has moved too. */
	fuse_lowlevel_notify_inval_inode(fs->session, call_ino(fs, notice->dir), -1, 0);
	for (i = 0; i < notice->count; i++)
		if (notice->items[i].node && !notice->items[i].kept &&
		    notice->items[i].act != NOTICE_PROBE)
			fuse_lowlevel_notify_inval_inode(
				fs->session, call_ino(fs, notice->items[i].node), -1, 0);
	for (i = 0; i < notice->count && asked < HELPER_FILES && !stuck; i++) {
		if (!has_content(fs, &notice->items[i]))
			continue;
		stuck = !show(fs, &notice->items[i], HELPER_TIME);
		asked++;
	}
	tree_noticed(fs->tree, notice);
	/* The rest, for whom no reader is kept waiting. What the helper was told and has not done it
	 * does later: to tell it again would be once too often. */
	stuck = false;
	for (; i < notice->count; i++)
		if (has_content(fs, &notice->items[i]))
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
	r = helper_do(fs->config.helpers.namer, act, item->path, WATCHER_TIME);
	*stuck = r == -ETIMEDOUT;
	return r == 0;
}

bool notifier_drops(struct notifier *n, uint64_t dir, const char *name)
{
	LOCK_SCOPE(&n->lock);

	return n->drop.name && n->drop.dir == dir && !strcmp(n->drop.name, name);
}

static void set_drop(struct notifier *n, fuse_ino_t dir, const char *name)
{
	LOCK_SCOPE(&n->lock);

	n->drop = (struct drop){.dir = dir, .name = name};
}

/* Waits until it is done, as long as any request may keep the directory. A helper that is stuck for
 * longer finds the name as it is when its turn comes: right for all but a probe, which is repeated. */
static void drop_name(struct fs *fs, const struct notice *notice, const struct notice_item *item,
		      bool *stuck)
{
	uint64_t timeout = *stuck ? 0 : 2 * fs->config.timeout + WATCHER_TIME;
	struct err err = {0};
	int r;

	set_drop(fs->notifier, call_ino(fs, notice->dir), item->name);
	r = helper_do(fs->config.helpers.namer, HELPER_DROP, item->path, timeout);
	set_drop(fs->notifier, 0, NULL);
	*stuck = r == -ETIMEDOUT;
	err.code = -r;
	if (r < 0 && r != -ENOENT)
		log_debug("the kernel keeps a name for as long as it was told",
			  F_STR("path", item->path), F_ERR(&err));
}

/* The kernel says what it has forgotten a little later. */
static void find_again(struct fs *fs, const struct notice *notice)
{
	cancel_sleep(NULL, clock_mono() + FORGET_TIME);
	for (size_t i = 0; i < notice->count; i++)
		if (notice->items[i].act == NOTICE_PROBE &&
		    tree_is_known(fs->tree, notice->items[i].node) &&
		    helper_do(fs->config.helpers.namer, HELPER_STAT, notice->items[i].path,
			      WATCHER_TIME) == -ETIMEDOUT)
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
			drop_name(fs, notice, item, &stuck);
	}
	if (probes)
		find_again(fs, notice);
	if (notice->event)
		fs->config.happened(fs->config.arg, notice->event);
	notice_free(fs->tree, notice);
}

static void push(struct step *s, struct notice *notice)
{
	LOCK_SCOPE(&s->lock);

	notice->next = NULL;
	*s->tail = notice;
	s->tail = &notice->next;
	cond_signal(&s->more);
}

static struct notice *pull(struct step *s)
{
	LOCK_SCOPE(&s->lock);
	struct notice *notice;

	while (!s->head && !s->stop)
		cond_wait(&s->more, &s->lock);
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
	lock_init(&s->lock, LOCK_NOTIFY_STEP);
	cond_init(&s->more);
	return pthread_create(&s->thread, NULL, step_main, s);
}

static void step_end(struct step *s)
{
	lock_acquire(&s->lock);
	s->stop = true;
	cond_signal(&s->more);
	lock_release(&s->lock);
	pthread_join(s->thread, NULL);
	cond_fini(&s->more);
	lock_fini(&s->lock);
}

struct notifier *notifier_new(struct fs *fs, struct err *err)
{
	struct notifier *n = calloc(1, sizeof(*n));
	int r = ENOMEM;

	if (n) {
		n->fs = fs;
		lock_init(&n->lock, LOCK_NOTIFY);
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
	if (n)
		lock_fini(&n->lock);
	free(n);
	return NULL;
}

void notifier_free(struct notifier *n)
{
	if (!n)
		return;
	step_end(&n->pages);
	step_end(&n->names);
	lock_fini(&n->lock);
	free(n);
}

void notifier_add(struct notifier *n, struct notice *notice)
{
	push(&n->pages, notice);
}
