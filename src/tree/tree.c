// SPDX-License-Identifier: Apache-2.0
/* The tree as its users above see it: nodes looked up, described, permitted and forgotten. What a
 * name means is its directory's matter (dir.c), what a file holds its type's. */

#include "tree/dir.h"
#include "tree/field.h"

#include "base/clock.h"
#include "base/log.h"
#include "node/fixed.h"
#include "tree/announce.h"
#include "tree/last_close.h"
#include "tree/latest.h"
#include "tree/listing.h"
#include "node/name.h"
#include "node/notice.h"
#include "node/writable.h"
#include "tree/open.h"
#include "tree/dir_traits.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

#define DRAFTS_MAX ((size_t)128 << 20) /* bytes: a document has up to 32 MiB */
#define MADE_MAX   10000
#define LISTED_MAX 1000000 /* entries of some hundred bytes each */

struct tree *tree_new(const struct tree_config *config, struct err *err)
{
	struct tree *t = calloc(1, sizeof(*t));
	struct dir *root;

	if (!t) {
		err_set(err, ENOMEM, "no memory for the tree");
		return NULL;
	}
	t->config = *config;
	t->started = clock_wall();
	quota_init(&t->scratch, config->scratch_max, config->shared);
	quota_init(&t->drafts, DRAFTS_MAX, config->shared);
	quota_init(&t->made, MADE_MAX, config->shared);
	quota_init(&t->listed, LISTED_MAX, config->shared);
	t->digests = outline_key_new();
	lock_init(&t->lock, LOCK_TREE);
	cond_init(&t->drained);
	root = dir_new_root(t, config->prefix);
	if (!root) {
		err_set(err, ENOMEM, "no memory for the tree");
		free(t);
		return NULL;
	}
	t->root = &root->node;
	return t;
}

/* All nodes below, each with a use, in the order of their making. */
struct nodes {
	struct node **all;
	size_t count, room;
};

static bool gather(struct nodes *to, struct node *n)
{
	struct node *child, *next, **all;
	bool done = true;

	if (to->count == to->room) {
		to->room = to->room ? to->room * 2 : 64;
		all = realloc(to->all, to->room * sizeof(struct node *));
		if (!all)
			return false;
		to->all = all;
	}
	to->all[to->count++] = node_use_locked(n);
	HASH_ITER (hh, n->children, child, next)
		done = done && gather(to, child);
	DL_FOREACH (n->removed, child)
		done = done && gather(to, child);
	return done;
}

static void on_deaf(void *arg, struct notice *notice)
{
	struct tree *t = arg;

	shown_settled(&dir_of(notice->dir)->shown);
	notice_free_locked(t, notice);
}

void tree_deafen(struct tree *t)
{
	LOCK_SCOPE(&t->lock);

	t->config.changed = on_deaf;
	t->config.arg = t;
}

/* What the kernel has not forgotten it forgets now, without a word; so goes what it alone has kept. */
static void forget_below(struct tree *t)
{
	struct nodes nodes = {0};

	gather(&nodes, t->root);
	for (size_t i = 0; i < nodes.count; i++)
		nodes.all[i]->lookups = 0;
	for (size_t i = 0; i < nodes.count; i++)
		node_unuse_locked(t, nodes.all[i]);
	free(nodes.all);
}

/* Nobody uses any of it any more, whatever the counts say. */
static void free_below(struct tree *t, struct node *n)
{
	struct node *child, *next;

	HASH_ITER (hh, n->children, child, next)
		node_detach_locked(child);
	DL_FOREACH_SAFE (n->removed, child, next) {
		free_below(t, child);
		DL_DELETE(n->removed, child);
		fixed_free_locked(t, child);
		free(child->name);
		child->type->free(t, child);
	}
}

static void free_nodes(struct tree *t)
{
	LOCK_SCOPE(&t->lock);
	struct hidden *h, *next;

	forget_below(t);
	free_below(t, t->root);
	free(t->root->name);
	t->root->type->free(t, t->root);
	HASH_ITER (hh, t->hidden, h, next)
		dir_unhide_locked(t, h->path);
}

void tree_free(struct tree *t)
{
	if (!t)
		return;
	tree_deafen(t);
	/* Open when the mount was ended: the kernel will not release them any more. */
	while (t->handles)
		tree_release(t, t->handles);
	while (t->listings)
		tree_closedir(t, t->listings);
	free_nodes(t);
	dir_times_drop_all(&t->times);
	failures_fini(&t->failures);
	outline_key_free(t->digests);
	quota_fini(&t->scratch);
	quota_fini(&t->drafts);
	quota_fini(&t->made);
	quota_fini(&t->listed);
	cond_fini(&t->drained);
	lock_fini(&t->lock);
	free(t);
}

struct node *tree_root(struct tree *t)
{
	return t->root;
}

void tree_noticed(struct tree *t, struct notice *notice)
{
	struct waitq opens;

	lock_acquire(&t->lock);
	opens = shown_settled(&dir_of(notice->dir)->shown);
	lock_release(&t->lock);
	waitq_wake(opens);
}

static int describe_locked(struct tree *t, struct node *n, const struct ask *ask, struct view *view,
			   struct err *err)
{
	LOCK_HELD(&t->lock);
	int r = node_is_dir(n) ? 0 : last_close_wait_locked(t, n, ask);

	if (r != 0)
		return r;
	node_stat_locked(t, n, &view->attr);
	r = n->type->attr_locked(t, n, ask, &view->attr, &view->attr_ttl, err);
	if (r != 0)
		return r;
	if (n->writers)
		view->attr_ttl = 0; /* the size is the caller's, and who writes has another */
	if (n->fixed)
		fixed_stat(n, &view->attr);
	node_finish_stat_locked(t, &view->attr);
	writable_show_locked(t, n, &view->attr);
	view->node = n;
	return 0;
}

int tree_appear(struct tree *t, struct node *dir, const char *name, const struct ask *ask,
		struct view *view)
{
	LOCK_SCOPE(&t->lock);
	struct node *child = node_child_locked(dir, name);
	int r;

	if (!child || !child->coming)
		return -EEXIST;
	child->coming = false;
	*view = (struct view){0};
	r = describe_locked(t, child, ask, view, NULL);
	if (r != 0)
		return r == PARKED ? -EAGAIN : r;
	view->entry_ttl = view->attr_ttl;
	child->lookups++;
	return 0;
}

int tree_leave(struct tree *t, struct node *dir, const char *name)
{
	LOCK_SCOPE(&t->lock);
	struct node *child = node_child_locked(dir, name);

	if (!child || !child->leaving)
		return -EEXIST;
	child->leaving = false;
	node_detach_locked(child);
	return 0;
}

static void withdraw_below_locked(struct tree *t, struct node *n, int code)
{
	LOCK_HELD(&t->lock);
	struct node *child, *next;

	if (node_is_dir(n))
		latest_withdraw_locked(t, dir_of(n), code);
	HASH_ITER (hh, n->children, child, next)
		withdraw_below_locked(t, child, code);
}

void tree_forget_all(struct tree *t, int code)
{
	LOCK_SCOPE(&t->lock);

	if (t->config.kv->ops->refresh)
		t->config.kv->ops->refresh(t->config.kv);
	cache_drop_all(t->config.cache);
	fixed_release_all_locked(t);
	withdraw_below_locked(t, t->root, code);
}

/* With fast_open a control file is another each time that it is looked up, and then stays what it is:
 * a field's node is of a version, and was settled with it. */
static int settle_control_locked(struct tree *t, struct node *n, const struct ask *ask,
				 struct view *view, struct err *err)
{
	LOCK_HELD(&t->lock);
	struct content content = {0};
	int r;

	if (!t->config.fast_open || n->fixed || !n->type->content_locked)
		return 0;
	r = n->type->content_locked(t, n, ask, &content, err);
	if (r != 0)
		return r;
	if (fixed_set_locked(t, n, &content, &view->attr.st_mtim) < 0)
		return err_set(err, ENOMEM, "no memory");
	fixed_stat(n, &view->attr);
	node_finish_stat_locked(t, &view->attr);
	return 0;
}

static void forget_control_locked(struct node *dir, const char *name)
{
	LOCK_HELD_NAMED(LOCK_TREE);
	struct node *known = node_child_locked(dir, name);

	if (known && known->fixed && known->type->control)
		node_detach_locked(known);
}

int tree_lookup(struct tree *t, struct node *dir, const char *name, const struct ask *ask,
		struct view *view, struct err *err)
{
	LOCK_SCOPE(&t->lock);
	struct node *child = NULL;
	int r;

	*view = (struct view){0};
	if (strlen(name) > NAME_BYTES_MAX)
		return err_set(err, ENAMETOOLONG, "a name of %zu bytes", strlen(name));
	if (!dir->type->lookup_locked)
		return err_set(err, ENOTDIR, "%s is no directory", dir->name);
	if (dir->gone)
		return err_set(err, ENOENT, "%s is not there any more", dir->name);
	forget_control_locked(dir, name);
	r = dir->type->lookup_locked(t, dir, name, ask, &child, &view->entry_ttl, err);
	if (r == -ENOENT)
		return 0;
	if (r != 0)
		return r;
	r = describe_locked(t, child, ask, view, err);
	/* stat(2) is to wait for what the mode tells of our rights, and open(2) is not. */
	if (r == 0 && writable_show_pending_locked(t, child))
		view->attr_ttl = 0;
	if (r == 0)
		r = settle_control_locked(t, child, ask, view, err);
	if (r == 0)
		view->first = child->lookups++ == 0;
	node_unuse_locked(t, child);
	/* It went between the one question and the other. */
	if (r == -ENOENT) {
		*view = (struct view){0};
		r = 0;
	}
	return r;
}

void tree_forget(struct tree *t, struct node *node, uint64_t lookups)
{
	LOCK_SCOPE(&t->lock);

	node_use_locked(node);
	node->lookups -= lookups < node->lookups ? lookups : node->lookups;
	node_unuse_locked(t, node);
}

void tree_hold(struct tree *t, struct node *node)
{
	LOCK_SCOPE(&t->lock);

	node->lookups++;
}

void tree_told(struct tree *t, const struct view *view)
{
	LOCK_SCOPE(&t->lock);
	struct node *n = view->node;

	/* What other layers hold has no versions. */
	if (node_is_field(n) && !n->gone && !n->local && !n->fixed && !t->config.layers)
		announce_time_locked(t, field_of(n), &view->attr.st_mtim);
}

int tree_getattr(struct tree *t, struct node *node, const struct caller *caller,
		 const struct ask *ask, struct view *view, struct err *err)
{
	LOCK_SCOPE(&t->lock);

	int r = writable_show_learn_locked(t, node, ask);

	*view = (struct view){0};
	return r == 0 ? describe_locked(t, node, ask, view, err) : r;
}

void tree_taken_back(struct tree *t, struct node *node, struct view *view)
{
	LOCK_SCOPE(&t->lock);

	*view = (struct view){.node = node};
	node_stat_locked(t, node, &view->attr);
	/* The size that it had is left to who reads it now, and gets an error: nobody is to take it for
	 * empty. With fast_open only a size makes the kernel look. */
	if (node_is_field(node) && !t->config.fast_open)
		view->attr.st_size = (off_t)field_of(node)->size;
	node_finish_stat_locked(t, &view->attr);
}

/* Whether what it holds can be had: asks what open(2) asks. */
static int readable_locked(struct tree *t, struct node *n, const struct ask *ask, struct err *err)
{
	LOCK_HELD(&t->lock);
	struct content content = {0};
	int r;

	if (S_ISDIR(n->type->format))
		return node_is_dir(n) ? listing_check_locked(t, n, ask, err) : 0;
	if (!n->type->access_locked || !n->type->content_locked)
		return 0;
	r = n->type->content_locked(t, n, ask, &content, err);
	object_put(content.object);
	return r;
}

int tree_access(struct tree *t, struct node *node, const struct caller *caller, int mask,
		const struct ask *ask, struct err *err)
{
	int r = tree_permit(t, node, caller, mask);
	struct node *now = NULL;
	LOCK_SCOPE(&t->lock);

	if (r == 0 && (mask & W_OK))
		r = writable_learn_locked(t, node, ask);
	if (r == 0 && (mask & W_OK) && writable_known_locked(t, node) == KV_REACH_NO)
		r = -EACCES;
	if (r == 0 && (mask & R_OK) && !node->local)
		r = field_stand_in_locked(t, node, ask, &now);
	if (now) {
		r = readable_locked(t, now, ask, err);
		node_unuse_locked(t, now);
	}
	return r;
}

bool tree_is_written(struct tree *t, struct node *node)
{
	LOCK_SCOPE(&t->lock);

	return node->writers > 0;
}

bool tree_is_known(struct tree *t, struct node *node)
{
	LOCK_SCOPE(&t->lock);

	return node->lookups > 0;
}

/* The directory that a node is, or is in, whether beside its fields or in its ".vault". */
static const struct dir *home_locked(struct node *n)
{
	LOCK_HELD_NAMED(LOCK_TREE);

	while (n && !node_is_dir(n))
		n = n->parent;
	return n ? dir_of(n) : NULL;
}

void tree_failed(struct tree *t, uid_t uid, struct node *node, const char *name, struct node *to,
		 const struct err *err)
{
	LOCK_SCOPE(&t->lock);
	_cleanup_free_ char *path = node ? node_path_locked(node) : NULL;
	const struct dir *home = home_locked(node), *other = home_locked(to);
	_cleanup_free_ char *full = NULL;
	struct failure what = {.uid = uid,
			       .dirs = {home ? home->path : NULL, other ? other->path : NULL},
			       .names = name || (node && !node_is_dir(node))};

	if (path && name && !to && asprintf(&full, "%s%s%s", path, path[1] ? "/" : "", name) < 0)
		full = NULL;
	what.path = full ? full : path;
	failures_add(&t->failures, &what, err);
}

char *tree_path(struct tree *t, struct node *node)
{
	LOCK_SCOPE(&t->lock);

	return node_path_locked(node);
}
