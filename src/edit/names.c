// SPDX-License-Identifier: Apache-2.0
/* Making and removing.
 *
 * The server has no folders: a directory that is made is kept in memory until something is written in
 * it, and one that is emptied has a history that rmdir(2) hides. A field's removal is a version like
 * any other, but for those that come in a row (removal.h). */

#include "edit/change.h"
#include "edit/names.h"
#include "edit/removal.h"
#include "edit/scratch.h"
#include "edit/target.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/log.h"
#include "host/process.h"
#include "tree/control_dir.h"
#include "tree/dir_traits.h"
#include "tree/field.h"
#include "tree/last_close.h"
#include "tree/layered.h"
#include "tree/rights.h"
#include "vault/path.h"
#include "node/name.h"
#include "node/writable.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DOCUMENT_TIME (NS_PER_SEC)

static int no_memory(struct err *err)
{
	return err_set(err, ENOMEM, "no memory");
}

int names_no_room(struct err *err, int r)
{
	return r == -ENOSPC ? err_set(err, ENOSPC,
				      "too many files and directories have been made that the "
				      "server does not hold yet")
			    : no_memory(err);
}

int names_find(struct tree *t, struct node *dir, const char *name, const struct request *rq,
	       struct node **child)
{
	uint64_t ttl;
	int r;
	LOCK_SCOPE(&t->lock);

	*child = NULL;
	if (dir->gone)
		return err_set(rq->err, ENOENT, "%s is not there any more", dir->name);
	r = last_close_wait_locked(t, dir, rq->ask);
	if (r != 0)
		return r;
	return dir->type->lookup_locked(t, dir, name, rq->ask, child, &ttl, rq->err);
}

int names_find_again(struct tree *t, struct node *node, const struct request *rq, struct node **out)
{
	LOCK_SCOPE(&t->lock);

	return field_find_again_locked(t, node, rq->ask, out, rq->err);
}

void names_drop(struct tree *t, struct node *n)
{
	LOCK_SCOPE(&t->lock);

	if (n)
		node_unuse_locked(t, n);
}

int names_check_dir(struct tree *t, struct node *dir, const struct request *rq)
{
	int r = tree_permit(t, dir, rq->caller, W_OK | X_OK);

	if (r == -EROFS && node_is_dir(dir) && (dir_traits(t, dir_of(dir)) & KV_OUTSIDE))
		return err_set(rq->err, EROFS,
			       "there are engines here, and nothing else can be made");
	return r < 0 ? permit_refused(rq->err, r) : 0;
}

void names_moved(struct tree *t, struct node *dir)
{
	LOCK_SCOPE(&t->lock);
	struct dir *d = node_is_dir(dir)      ? dir_of(dir)
			: node_is_fields(dir) ? control_owner(dir)
					      : NULL;

	if (d)
		dir_times_move(&d->times, clock_wall());
}

static int check_component(const struct dir *parent, const char *name, char raw[NAME_BYTES_MAX + 1],
			   struct err *err)
{
	int len, r;

	if (strlen(name) > NAME_BYTES_MAX ||
	    strlen(parent->path) + strlen(name) + 1 > CACHE_PATH_MAX)
		return err_set(err, ENAMETOOLONG, "the name or the path is too long");
	len = name_unescape(name, raw);
	r = len < 0 ? -EINVAL : path_check_component(raw, (size_t)len);
	if (r < 0)
		return err_set(err, -r, "no path at the server can have this name");
	return 0;
}

int names_check_new(const char *name, struct names_new *out, struct err *err)
{
	int len;

	if (strlen(name) > NAME_BYTES_MAX)
		return err_set(err, ENAMETOOLONG, "a name of %zu bytes", strlen(name));
	if (!strcmp(name, ".vault"))
		return err_set(err, EEXIST, ".vault is the control directory");
	/* vim tries whether it can make files by this name, and overwrites in place if it cannot:
	 * then a save is one version. */
	if (!strcmp(name, "4913"))
		return err_set(err, EPERM, "4913 is a name that vim tries");
	len = name_unescape(name, out->raw);
	if (len < 0)
		return err_set(err, EINVAL, "the name has an escape that stands for nothing");
	out->len = (size_t)len;
	if (!utf8_valid(out->raw, out->len))
		return err_set(err, EILSEQ, "the name is not UTF-8, and cannot be stored");
	return 0;
}

int edit_mkdir(struct tree *t, struct node *dir, const char *name, const struct request *rq,
	       struct view *view)
{
	char raw[NAME_BYTES_MAX + 1];
	struct node *child = NULL;
	struct dir *made;
	int r = names_check_dir(t, dir, rq);

	if (r == 0 && !node_is_dir(dir))
		r = err_set(rq->err, EPERM, "there are no directories here");
	if (r == 0 && !strcmp(name, ".vault"))
		r = err_set(rq->err, EEXIST, ".vault is the control directory");
	if (r == 0)
		r = check_component(dir_of(dir), name, raw, rq->err);
	if (r == 0)
		r = names_find(t, dir, name, rq, &child);
	if (r == 0) {
		names_drop(t, child);
		return err_set(rq->err, EEXIST, "%s is there already", name);
	}
	if (r != -ENOENT)
		return r;
	LOCK_SCOPE(&t->lock);
	if (dir->gone)
		return err_set(rq->err, ENOENT, "%s is not there any more", dir->name);
	r = writable_learn_locked(t, dir, rq->ask);
	if (r == 0 && writable_known_locked(t, dir) == KV_REACH_NO)
		r = err_set(rq->err, EACCES,
			    "the token's policies allow to write nothing there and below");
	if (r != 0)
		return r;
	r = dir_make_local_locked(t, dir_of(dir), name, raw, rq->caller->uid, &made);
	if (r < 0)
		return names_no_room(rq->err, r);
	*view = (struct view){.node = &made->node, .entry_ttl = t->config.ttl};
	node_stat_locked(t, &made->node, &view->attr);
	made->node.type->attr_locked(t, &made->node, rq->ask, &view->attr, &view->attr_ttl, NULL);
	node_finish_stat_locked(t, &view->attr);
	dir_times_move(&dir_of(dir)->times, clock_wall());
	made->node.lookups++;
	node_unuse_locked(t, &made->node);
	return 0;
}

static bool has_local_children_locked(struct node *n)
{
	LOCK_HELD_NAMED(LOCK_TREE);
	struct node *child, *next;

	HASH_ITER (hh, n->children, child, next)
		if (child->local)
			return true;
	return false;
}

/* 0 with the secret's state where there is nothing in it that is not history. */
static int check_empty_locked(struct tree *t, struct dir *d, const struct request *rq,
			      struct kv_version **version)
{
	LOCK_HELD(&t->lock);
	_cleanup_object_ struct kv_list *list = NULL;
	struct ask strict = *rq->ask;
	uint64_t ttl, now = clock_mono();
	int r;

	strict.since = now > t->config.negative_ttl ? now - t->config.negative_ttl : 0;
	r = removal_settle_locked(t, d, rq->ask);
	if (r == 0)
		r = removal_failure_locked(d, rq->err);
	if (r != 0)
		return r;
	if (has_local_children_locked(&d->node))
		return err_set(rq->err, ENOTEMPTY, "%s is not empty", d->node.name);
	r = layered_list_locked(t, d, &strict, &list, &ttl, rq->err);
	if (r != 0)
		return r;
	r = layered_version_locked(t, d, &strict, version, &ttl, rq->err);
	if (r != 0)
		return r;
	if ((*version)->count || dir_has_entries_locked(t, d->path, list))
		return err_set(rq->err, ENOTEMPTY, "%s is not empty", d->node.name);
	return 0;
}

static int remove_dir(struct tree *t, struct dir *d, const struct request *rq)
{
	_cleanup_object_ struct kv_version *version = NULL;
	struct secrets secrets = commit_secrets(t);
	bool purge;
	int r;

	lock_acquire(&t->lock);
	r = check_empty_locked(t, d, rq, &version);
	lock_release(&t->lock);
	if (r != 0)
		return r;
	purge = t->config.purge && version->number > 0;
	if (purge)
		r = rights_whole(t, d, rq->caller, W_OK, rq->err);
	if (purge && r == 0)
		r = secrets_purge(&secrets, d->path, rq->limit, rq->err);
	if (r < 0)
		return r;
	LOCK_SCOPE(&t->lock);
	if (purge) {
		cache_drop(t->config.cache, TREE_DATA, d->path);
		cache_drop(t->config.cache, TREE_METADATA, d->path);
		dir_vanished_locked(t, d);
	} else if ((version->number > 0 || !d->node.local) &&
		   dir_hide_locked(t, d->path, version) < 0) {
		return no_memory(rq->err);
	}
	node_detach_locked(&d->node);
	node_unlocal_locked(t, &d->node);
	log_info(purge ? "secret purged" : "directory removed", F_STR("path", d->path),
		 F_INT("uid", rq->caller->uid), F_INT("pid", rq->caller->pid));
	return 0;
}

int edit_rmdir(struct tree *t, struct node *dir, const char *name, const struct request *rq)
{
	struct node *child = NULL;
	int r = names_check_dir(t, dir, rq);

	if (r == 0)
		r = names_find(t, dir, name, rq, &child);
	if (r == 0 && node_is_control_dir(child))
		r = err_set(rq->err, EBUSY, ".vault is in every directory");
	else if (r == 0 && node_is_control(child))
		r = err_set(rq->err, EROFS, "%s stays where it is", name);
	else if (r == 0 && !node_is_dir(child))
		r = err_set(rq->err, ENOTDIR, "%s is no directory", name);
	if (r == 0)
		r = remove_dir(t, dir_of(child), rq);
	if (r == 0)
		names_moved(t, dir);
	names_drop(t, child);
	return r;
}

/* One more of a row: the server is asked, once for the row, and told later. */
static int remove_later(struct tree *t, struct field *f, bool announced, const struct request *rq)
{
	_cleanup_object_ struct kv_version *base = NULL;
	int r;

	lock_acquire(&t->lock);
	base = removal_base_locked(field_dir(f), rq);
	lock_release(&t->lock);
	r = base ? 0 : change_check(t, field_dir(f), rq, &base);
	if (r != 0)
		return r;
	LOCK_SCOPE(&t->lock);
	r = layered_permit_removal(t, f, base, rq->err);
	if (r < 0)
		return r;
	if (f->node.gone || !kv_version_field(base, f->raw, f->raw_len))
		return err_set(rq->err, ENOENT, "%s is not there any more", f->node.name);
	r = removal_check_locked(t, f, base, rq);
	return r < 0 ? r : removal_add_locked(t, f, base, announced, rq);
}

static int remove_field(struct tree *t, struct field *f, const struct request *rq)
{
	bool local, joins, announced = false;

	lock_acquire(&t->lock);
	local = f->node.local;
	joins = removal_joins_locked(t, f, rq);
	if (local) { /* the server never knew it */
		node_detach_locked(&f->node);
		node_unlocal_locked(t, &f->node);
	}
	lock_release(&t->lock);
	if (local)
		return 0;
	if (!joins)
		joins = announced = removal_is_announced(t, f, rq);
	return joins ? remove_later(t, f, announced, rq) : removal_make(t, f, rq);
}

/* A field that was moved to a scratch file's name goes with it. */
static int remove_scratch(struct tree *t, struct scratch *s, const struct request *rq)
{
	int r = s->hides ? removal_make(t, s->hides, rq) : 0;

	if (r != 0 && r != -ENOENT)
		return r;
	LOCK_SCOPE(&t->lock);
	scratch_drop_locked(t, s);
	return 0;
}

/* mv(1) from elsewhere removes what it is about to write. A secret is not removed like that: its
 * document is out of the process's sight for a moment, unless it is written. */
void document_hide_locked(struct dir *d, const struct caller *caller)
{
	LOCK_HELD_NAMED(LOCK_TREE);

	d->document_until = clock_mono() + DOCUMENT_TIME;
	d->document_process = process_of(caller->pid);
}

static int remove_document(struct tree *t, struct dir *d, const struct request *rq)
{
	LOCK_SCOPE(&t->lock);

	document_hide_locked(d, rq->caller);
	return 0;
}

int edit_unlink(struct tree *t, struct node *dir, const char *name, const struct request *rq)
{
	struct node *child = NULL;
	int r = names_check_dir(t, dir, rq);

	if (r == 0)
		r = names_find(t, dir, name, rq, &child);
	if (r != 0)
		return r;
	if (node_is_scratch(child))
		r = remove_scratch(t, scratch_of(child), rq);
	else if (node_is_document(child))
		r = remove_document(t, control_owner(child), rq);
	else if (node_is_field(child))
		r = remove_field(t, field_of(child), rq);
	else
		r = err_set(rq->err, node_is_control(child) ? EROFS : EISDIR, "%s is no field",
			    name);
	if (r == 0)
		names_moved(t, dir);
	names_drop(t, child);
	return r;
}
