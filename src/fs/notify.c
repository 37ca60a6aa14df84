// SPDX-License-Identifier: Apache-2.0
/* Notices, in two steps with a thread each.
 *
 *      notice --> [pages: drop them, have the size asked for] --> tree_noticed()
 *                      |
 *                      `--> [names: drop them] --> tree_notice_free()
 *
 * Dropping a name takes the lock of its directory in the kernel, and a look-up that waits for the
 * server holds that: so names come second, where nobody waits for them. */

#include "fs/notify.h"

#include "fs/internal.h"

#include "base/clock.h"

#include <errno.h>
#include <string.h>

#define HELPER_TIME  (100 * NS_PER_MS)
#define HELPER_FILES 64 /* of one secret: more would keep its readers waiting */

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

static void drop_pages(struct fs *fs, struct notice *notice)
{
	size_t asked = 0;

	for (size_t i = 0; i < notice->count; i++)
		if (notice->items[i].node && !notice->items[i].kept)
			fuse_lowlevel_notify_inval_inode(fs->session,
							 call_ino(fs, notice->items[i].node), 0, 0);
	/* A reader's fstat may still get the old size from a race within the kernel, unless somebody
	 * has asked for the new one before it. */
	for (size_t i = 0; i < notice->count && asked < HELPER_FILES; i++) {
		if (!notice->items[i].node || notice->items[i].gone)
			continue;
		if (!helper_stat(fs->config.helper, notice->items[i].path, HELPER_TIME))
			break;
		asked++;
	}
	tree_noticed(fs->tree, notice);
}

static void drop_names(struct fs *fs, struct notice *notice)
{
	for (size_t i = 0; i < notice->count; i++)
		if (notice->items[i].gone || !notice->items[i].node)
			fuse_lowlevel_notify_inval_entry(fs->session, call_ino(fs, notice->dir),
							 notice->items[i].name,
							 strlen(notice->items[i].name));
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
