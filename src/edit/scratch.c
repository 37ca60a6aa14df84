// SPDX-License-Identifier: Apache-2.0
/* Scratch files: nodes that no directory of the server has. Their content is one draft that all who
 * have the file open share, so that what one writes the others read, as in any other file system. */

#include "edit/scratch.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/log.h"
#include "tree/control_dir.h"
#include "node/name.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

static bool matches(const char *patterns, const char *name)
{
	while (patterns && *patterns) {
		size_t len = strcspn(patterns, ":");
		_cleanup_free_ char *pattern = strndup(patterns, len);

		if (pattern && *pattern && fnmatch(pattern, name, 0) == 0)
			return true;
		patterns += len + (patterns[len] == ':');
	}
	return false;
}

/* ".password.x3jK" beside a field "password". */
static bool is_beside_field_locked(struct tree *t, struct dir *d, const char *name)
{
	LOCK_HELD(&t->lock);
	_cleanup_object_ struct object *o = NULL;
	const char *dot = strrchr(name, '.');
	char beside[NAME_BYTES_MAX + 1], raw[NAME_BYTES_MAX + 1];
	int len;

	if (name[0] != '.' || dot == name || strlen(name) > NAME_BYTES_MAX)
		return false;
	snprintf(beside, sizeof(beside), "%.*s", (int)(dot - name - 1), name + 1);
	len = name_unescape(beside, raw);
	o = len < 0 ? NULL : cache_peek(t->config.cache, TREE_DATA, d->path);
	return o && kv_version_field(container_of(o, struct kv_version, object), raw, (size_t)len);
}

bool scratch_has_name_locked(struct tree *t, struct node *parent, const char *name)
{
	LOCK_HELD(&t->lock);

	if (!t->config.scratch || !*t->config.scratch)
		return false;
	if (matches(t->config.scratch, name))
		return true;
	return node_is_dir(parent) && is_beside_field_locked(t, dir_of(parent), name);
}

bool scratch_is_made_by(int flags, mode_t mode)
{
	return (flags & O_ACCMODE) == O_RDWR && (flags & O_EXCL) && (mode & 07777) == 0600;
}

struct scratch *scratch_new_locked(struct tree *t, struct node *parent, const char *name,
				   const struct caller *caller)
{
	LOCK_HELD(&t->lock);
	struct scratch *s = calloc(1, sizeof(*s));
	struct node *known = node_child_locked(parent, name);
	uint64_t key[2] = {(uint64_t)(uintptr_t)s, clock_mono()};

	if (!s)
		return NULL;
	s->draft = draft_new(NULL, caller, t->config.scratch_max);
	if (s->draft) {
		s->draft->quota = &t->scratch;
		s->draft->patient = true;
	}
	if (s->draft && known)
		node_detach_locked(known); /* of something that is not there any more */
	if (!s->draft || node_init_locked(&s->node, &scratch_type, parent, name,
					  stable_hash(key, sizeof(key))) < 0) {
		draft_put_locked(s->draft);
		free(s);
		return NULL;
	}
	if (node_make_local_locked(t, &s->node, caller->uid) < 0) {
		node_unuse_locked(t, &s->node);
		return NULL;
	}
	return s;
}

void scratch_drop_locked(struct tree *t, struct scratch *s)
{
	LOCK_HELD(&t->lock);

	if (s->hides)
		scratch_unhide_locked(t, s->hides);
	node_detach_locked(&s->node);
	/* The kernel may know it for a while yet. */
	if (s->became || !s->node.drafts)
		draft_discharge(s->draft, !s->node.drafts);
	node_unlocal_locked(t, &s->node);
}

int scratch_open_locked(struct tree *t, struct scratch *s, int flags, struct handle **out)
{
	LOCK_HELD(&t->lock);
	struct handle *h = handle_new_locked(t, &s->node);

	if (!h)
		return -ENOMEM;
	s->draft->refs++;
	h->draft = s->draft;
	h->append = flags & O_APPEND;
	s->node.writers++;
	DL_APPEND(s->node.drafts, h);
	*out = h;
	return 0;
}

void scratch_hide_locked(struct scratch *s, struct field *f)
{
	LOCK_HELD_NAMED(LOCK_TREE);

	s->hides = field_of(node_use_locked(&f->node));
	f->moved = &s->node;
}

void scratch_unhide_locked(struct tree *t, struct field *f)
{
	LOCK_HELD(&t->lock);

	if (!f->moved)
		return;
	scratch_of(f->moved)->hides = NULL;
	f->moved = NULL;
	node_unuse_locked(t, &f->node);
}

/* The directory "conflicts" of a secret's ".vault", with a use. NULL: no memory. */
static struct node *conflicts_locked(struct tree *t, struct dir *d)
{
	LOCK_HELD(&t->lock);
	struct node *control = t->config.control->dir_locked(&d->node);
	struct node *n = control ? t->config.control->child_locked(control, "conflicts") : NULL;

	if (control)
		node_unuse_locked(t, control);
	return n;
}

/* The first number that is not taken. */
static struct scratch *new_conflict_locked(struct tree *t, struct dir *d, const char *name,
					   const struct caller *caller)
{
	LOCK_HELD(&t->lock);
	struct node *dir = conflicts_locked(t, d);
	struct scratch *s = NULL;

	for (unsigned i = 1; dir && !s; i++) {
		_cleanup_free_ char *numbered = NULL;

		if (asprintf(&numbered, "%s.%u", name, i) < 0)
			break;
		if (node_child_locked(dir, numbered))
			continue;
		s = scratch_new_locked(t, dir, numbered, caller);
		if (!s)
			break;
	}
	if (dir)
		node_unuse_locked(t, dir);
	return s;
}

void scratch_keep(struct tree *t, struct dir *d, const char *name, struct draft *from,
		  const struct request *rq)
{
	struct caller writer = {.uid = from->uid, .gid = from->gid, .pid = from->opener};
	_cleanup_buf_ struct buf text = {0};
	struct scratch *s;
	int r;

	lock_acquire(&from->lock);
	buf_add(&text, from->text.data ? from->text.data : "", from->text.len);
	lock_release(&from->lock);
	LOCK_SCOPE(&t->lock);
	s = new_conflict_locked(t, d, name, &writer);
	r = s ? draft_write(s->draft, text.data, text.len, 0, false) : -ENOMEM;
	if (r == 0) {
		err_prefix(rq->err, "what was written is in .vault/conflicts/%s", s->node.name);
	} else if (s) {
		err_prefix(rq->err, "no room in scratch_max to keep what was written");
		scratch_drop_locked(t, s);
	}
	if (s)
		node_unuse_locked(t, &s->node);
}

/* What it uses is given back: all of the tree goes now, in any order. */
static void end_one_locked(struct scratch *s)
{
	LOCK_HELD_NAMED(LOCK_TREE);
	_cleanup_free_ char *path = NULL;

	if (s->node.local) {
		path = node_path_locked(&s->node);
		log_warning("a scratch file goes with the mount", F_STR("path", path));
	}
	/* Nothing is freed here: it may be what the caller comes to next. tree_free() does. */
	if (s->hides) {
		s->hides->moved = NULL;
		s->hides->node.uses--;
		s->hides = NULL;
	}
	if (s->became)
		steal(s->became)->uses--;
}

void scratch_end_locked(struct tree *t, struct node *below)
{
	LOCK_HELD(&t->lock);
	struct node *child, *next;

	HASH_ITER (hh, below->children, child, next) {
		scratch_end_locked(t, child);
		if (node_is_scratch(child))
			end_one_locked(scratch_of(child));
	}
	DL_FOREACH_SAFE (below->removed, child, next) {
		scratch_end_locked(t, child);
		if (node_is_scratch(child))
			end_one_locked(scratch_of(child));
	}
}

static int scratch_attr_locked(struct tree *t, struct node *n, const struct ask *ask,
			       struct stat *attr, uint64_t *ttl, struct err *err)
{
	LOCK_HELD(&t->lock);
	struct draft *d = scratch_of(n)->draft;

	lock_acquire(&d->lock);
	attr->st_size = (off_t)d->text.len;
	attr->st_mtim = clock_timespec(d->touched);
	lock_release(&d->lock);
	*ttl = 0;
	return 0;
}

/* Its maker's, as on any file system: it may hold what only that user could read. */
static void scratch_access_locked(const struct tree *t, const struct node *n, struct access *a)
{
	LOCK_HELD(&t->lock);
	const struct draft *d = container_of(n, const struct scratch, node)->draft;

	*a = (struct access){d->uid, d->gid, 0600, a->dir_mode};
}

static void scratch_free(struct tree *t, struct node *n)
{
	struct scratch *s = scratch_of(n);

	if (s->hides)
		scratch_unhide_locked(t, s->hides);
	if (s->became)
		node_unuse_locked(t, s->became);
	draft_put_locked(s->draft);
	free(s);
}

const struct node_type scratch_type = {
	.format = S_IFREG,
	.writable = true,
	.transient = true,
	.access_locked = scratch_access_locked,
	.attr_locked = scratch_attr_locked,
	.free = scratch_free,
};
