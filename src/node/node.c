// SPDX-License-Identifier: Apache-2.0
/* The graph of nodes, and who keeps them alive.
 *
 *      the kernel --lookups--> node --parent--> node --parent--> root
 *      handles    --uses-----> node                              (never freed)
 *
 * A child counts as a use of its parent, also after it was removed: its handles still want to know
 * where they were. */

#include "node/node.h"

#include "base/clock.h"
#include "base/codec.h"
#include "node/fixed.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

int node_init_locked(struct node *n, const struct node_type *type, struct node *parent,
		     const char *name, uint64_t ino)
{
	LOCK_HELD_NAMED(LOCK_TREE);

	n->type = type;
	n->parent = parent;
	n->name = strdup(name);
	n->ino = ino;
	n->uses = 1;
	if (!n->name)
		return -ENOMEM;
	if (parent) {
		node_use_locked(parent);
		HASH_ADD_KEYPTR(hh, parent->children, n->name, strlen(n->name), n);
	}
	return 0;
}

struct node *node_child_locked(const struct node *n, const char *name)
{
	LOCK_HELD_NAMED(LOCK_TREE);
	struct node *child;

	HASH_FIND(hh, n->children, name, strlen(name), child);
	return child;
}

struct node *node_use_locked(struct node *n)
{
	LOCK_HELD_NAMED(LOCK_TREE);

	n->uses++;
	return n;
}

int node_make_local_locked(struct tree *t, struct node *n, uid_t uid)
{
	LOCK_HELD(&t->lock);

	if (n->local)
		return 0;
	if (!quota_move_of(&t->made, uid, 0, 1))
		return -ENOSPC;
	node_use_locked(n); /* nothing else holds what the server does not know */
	n->local = true;
	n->maker = uid;
	return 0;
}

void node_unlocal_locked(struct tree *t, struct node *n)
{
	LOCK_HELD(&t->lock);

	if (!n->local)
		return;
	n->local = false;
	quota_move_of(&t->made, n->maker, 1, 0);
	node_unuse_locked(t, n);
}

void node_detach_locked(struct node *n)
{
	LOCK_HELD_NAMED(LOCK_TREE);

	if (n->gone || !n->parent)
		return;
	HASH_DELETE(hh, n->parent->children, n);
	DL_APPEND(n->parent->removed, n);
	n->gone = true;
}

void node_attach_locked(struct node *n)
{
	LOCK_HELD_NAMED(LOCK_TREE);

	DL_DELETE(n->parent->removed, n);
	n->gone = false;
	HASH_ADD_KEYPTR(hh, n->parent->children, n->name, strlen(n->name), n);
}

void node_unuse_locked(struct tree *t, struct node *n)
{
	LOCK_HELD(&t->lock);

	n->uses--;
	while (n && n->uses == 0 && n->lookups == 0 && n->parent) {
		struct node *parent = n->parent;

		node_detach_locked(n);
		DL_DELETE(parent->removed, n);
		fixed_free_locked(t, n);
		free(n->name);
		n->type->free(t, n);
		n = parent;
		n->uses--;
	}
}

int node_move_locked(struct tree *t, struct node *n, struct node *parent, const char *name)
{
	LOCK_HELD(&t->lock);
	char *copy = strdup(name);
	struct node *old = n->parent;

	if (!copy)
		return -ENOMEM;
	node_detach_locked(n);
	DL_DELETE(old->removed, n);
	free(n->name);
	n->name = copy;
	n->parent = node_use_locked(parent);
	n->gone = false;
	HASH_ADD_KEYPTR(hh, parent->children, n->name, strlen(n->name), n);
	node_unuse_locked(t, old);
	return 0;
}

char *node_path_locked(const struct node *n)
{
	LOCK_HELD_NAMED(LOCK_TREE);
	char *path, *at;
	size_t len = 0;

	if (!n->parent)
		return strdup("/");
	for (const struct node *p = n; p->parent; p = p->parent)
		len += strlen(p->name) + 1;
	path = malloc(len + 1);
	if (!path)
		return NULL;
	at = path + len;
	*at = '\0';
	for (const struct node *p = n; p->parent; p = p->parent) {
		at -= strlen(p->name);
		memcpy(at, p->name, strlen(p->name));
		*--at = '/';
	}
	return path;
}

static void access_locked(const struct tree *t, const struct node *n, struct access *a)
{
	LOCK_HELD(&t->lock);

	*a = (struct access){t->config.uid, t->config.gid, t->config.mode, t->config.dir_mode};
	for (const struct node *p = n; t->config.rules.first && p; p = p->parent) {
		if (!p->type->access_locked)
			continue;
		p->type->access_locked(t, p, a);
		break;
	}
	/* A new file is its maker's, until the server has it. */
	if (n->local && S_ISREG(n->type->format)) {
		a->uid = n->maker;
		a->mode |= 0600;
	}
}

void node_stat_locked(const struct tree *t, const struct node *n, struct stat *attr)
{
	LOCK_HELD(&t->lock);
	struct access a;
	mode_t mode;

	access_locked(t, n, &a);
	mode = S_ISDIR(n->type->format) ? a.dir_mode : a.mode;
	/* A mode without w would have the kernel answer EACCES, where EROFS is promised. */
	if (!t->config.shared && (!n->type->writable || t->config.read_only))
		mode &= ~(mode_t)0222;
	*attr = (struct stat){.st_ino = n->ino,
			      .st_mode = n->type->format | mode,
			      .st_nlink = n->gone ? 0 : 1,
			      .st_uid = a.uid,
			      .st_gid = a.gid,
			      .st_blksize = 4096};
}

static bool is_zero(const struct timespec *t)
{
	return t->tv_sec == 0 && t->tv_nsec == 0;
}

void node_finish_stat_locked(const struct tree *t, struct stat *attr)
{
	LOCK_HELD(&t->lock);

	/* A directory may have told these itself. */
	if (is_zero(&attr->st_atim))
		attr->st_atim = attr->st_mtim;
	if (is_zero(&attr->st_ctim))
		attr->st_ctim = attr->st_mtim;
	attr->st_blocks = (attr->st_size + 511) / 512;
}

uint64_t node_dir_ino(const char *path, const char *component)
{
	_cleanup_free_ char *key = NULL;
	int n = asprintf(&key, "d:%s%s%s", path, *path && *component ? "/" : "", component);

	return n < 0 ? 2 : stable_hash(key, (size_t)n);
}
