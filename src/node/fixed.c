// SPDX-License-Identifier: Apache-2.0
/* What files are while opens do not reach us (fast_open).
 *
 * Between the look-up of a name and the read of its pages anything may happen: the version may be
 * replaced, the cache may need its room. The contents of what was looked up last are held for that
 * time; the bound is in number and in bytes, so that it costs little beside the cache, and what falls
 * out of it can be asked for again by its version. */

#include "node/fixed.h"

#include <errno.h>
#include <utlist.h>

#define HELD_MAX   64
#define HELD_BYTES (1u << 20)

static size_t weight(const struct fixed *f)
{
	return f->content.len + (f->content.object ? f->content.object->size : 0);
}

static void release_locked(struct tree *t, struct fixed *f)
{
	LOCK_HELD(&t->lock);

	if (!f->content.object)
		return;
	DL_DELETE(t->fixed, f);
	t->fixed_count--;
	t->fixed_bytes -= weight(f);
	object_put(steal(f->content.object));
	f->content.bytes = NULL;
}

static void shrink_locked(struct tree *t)
{
	LOCK_HELD(&t->lock);

	/* The last is the oldest. The first stays, whatever its size: it is about to be read. */
	while (t->fixed_count > 1 && (t->fixed_count > HELD_MAX || t->fixed_bytes > HELD_BYTES))
		release_locked(t, t->fixed->prev);
}

int fixed_set_locked(struct tree *t, struct node *n, const struct content *content,
		     const struct timespec *mtime)
{
	LOCK_HELD(&t->lock);
	struct fixed *f = n->fixed ? n->fixed : calloc(1, sizeof(*f));

	if (!f) {
		object_put(content->object);
		return -ENOMEM;
	}
	n->fixed = f;
	release_locked(t, f);
	f->content = *content;
	f->len = content->len;
	f->mtime = *mtime;
	if (!content->object)
		return 0;
	DL_PREPEND(t->fixed, f);
	t->fixed_count++;
	t->fixed_bytes += weight(f);
	shrink_locked(t);
	return 0;
}

void fixed_used_locked(struct tree *t, struct node *n)
{
	LOCK_HELD(&t->lock);
	struct fixed *f = n->fixed;

	if (!f->content.object || t->fixed == f)
		return;
	DL_DELETE(t->fixed, f);
	DL_PREPEND(t->fixed, f);
}

void fixed_stat(const struct node *n, struct stat *attr)
{
	attr->st_size = (off_t)n->fixed->len;
	attr->st_mtim = n->fixed->mtime;
}

void fixed_release_all_locked(struct tree *t)
{
	LOCK_HELD(&t->lock);

	while (t->fixed)
		release_locked(t, t->fixed);
}

void fixed_free_locked(struct tree *t, struct node *n)
{
	LOCK_HELD(&t->lock);

	if (!n->fixed)
		return;
	release_locked(t, n->fixed);
	free(n->fixed);
	n->fixed = NULL;
}
