// SPDX-License-Identifier: Apache-2.0
/* Files that are written: from open(2) to the last close(2).
 *
 * What can fail is made to fail at open: a shell's own echo never looks at what close(2) says. So
 * opening asks the server, for the version that the change will be based on and for our rights, and
 * readers who hold the kernel's pages are waited for, since the size that they see is the writer's
 * from then on. The commit is made when the process that opened the file closes it; what is left over,
 * because others had the descriptor, at the last close. */

#include "edit/edit.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/log.h"
#include "edit/change.h"
#include "edit/names.h"
#include "edit/removal.h"
#include "edit/scratch.h"
#include "edit/target.h"
#include "edit/writing.h"
#include "host/holder.h"
#include "host/process.h"
#include "tree/control_dir.h"
#include "tree/dir_traits.h"
#include "tree/layered.h"
#include "tree/rights.h"
#include "node/name.h"
#include "rule/rule_check.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

bool edit_is_draft(const struct handle *h)
{
	return h->draft != NULL;
}

bool edit_is_scratch(const struct node *n)
{
	return node_is_scratch(n);
}

int edit_write(struct handle *h, const char *bytes, size_t len, size_t offset)
{
	return draft_write(h->draft, bytes, len, offset, h->append);
}

/* What is no string is not escaped. */
static bool is_json(const struct kv_version *base, const struct field *f)
{
	const struct kv_field *entry = kv_version_field(base, f->raw, f->raw_len);

	return entry && entry->type != KV_STRING;
}

/* A draft that nobody has changed takes the newest content that is known here, at its first read and
 * at each that goes back to an earlier place: a program that waits for a lock finds what was written
 * meanwhile. One that reads on sees one version from the begin to the end. `offset` is SIZE_MAX where
 * nothing is read. */
static void refresh_locked(struct tree *t, struct node *n, struct draft *d, size_t offset)
{
	LOCK_HELD(&t->lock);
	struct target at = target_of_locked(n);
	_cleanup_object_ struct object *o = NULL;
	_cleanup_buf_ struct buf text = {0};
	struct kv_version *v;
	LOCK_SCOPE(&d->lock);

	if (!at.kind || !at.kind->values || n->gone)
		return;
	if (!draft_is_untouched_locked(d) &&
	    !(draft_is_read_again_locked(d, offset) && target_holds(&at, d->base)))
		return;
	o = cache_peek(t->config.cache, TREE_DATA, at.dir->path);
	v = o ? container_of(o, struct kv_version, object) : NULL;
	if (!v || v->number < d->base->number || kv_version_same(v, d->base) ||
	    !target_holds(&at, v) || target_print_shown(t, &at, v, &text) < 0)
		return;
	buf_fini(&d->text);
	d->text = text;
	text = (struct buf){0};
	draft_set_base_locked(d, v);
	d->is_value = at.field && !is_json(v, at.field);
	if (d->text.len > d->max)
		d->max = d->text.len;
}

int edit_read(struct tree *t, struct handle *h, size_t offset, size_t size, struct buf *out)
{
	lock_acquire(&t->lock);
	refresh_locked(t, h->node, h->draft, offset);
	lock_release(&t->lock);
	return draft_read(h->draft, offset, size, out);
}

int edit_truncate(struct handle *h, size_t size)
{
	return draft_truncate(h->draft, size);
}

int edit_allocate(struct handle *h, size_t size)
{
	return size > draft_size(h->draft) ? draft_truncate(h->draft, size) : 0;
}

static struct handle *opened_by_locked(const struct node *n, pid_t process)
{
	LOCK_HELD_NAMED(LOCK_TREE);
	struct handle *h;

	DL_FOREACH (n->drafts, h)
		if (h->draft->opener == process)
			return h;
	return NULL;
}

/* The handle that a process has inherited: of its nearest ancestor; else any, where it was sent one. */
static struct handle *inherited_locked(const struct node *n, pid_t process)
{
	LOCK_HELD_NAMED(LOCK_TREE);
	struct handle *h, *nearest = n->drafts;
	int least = INT_MAX;

	DL_FOREACH (n->drafts, h) {
		int generations = holder_generations(process, h->draft->opener);

		if (generations >= 0 && generations < least) {
			nearest = h;
			least = generations;
		}
	}
	return nearest;
}

static struct draft *use_locked(struct handle *h)
{
	LOCK_HELD_NAMED(LOCK_TREE);

	if (!h)
		return NULL;
	h->draft->refs++;
	return h->draft;
}

struct draft *writing_draft_of(struct tree *t, struct node *n, pid_t pid)
{
	struct draft *opened = NULL;
	pid_t process = 0;
	bool written;

	lock_acquire(&t->lock);
	written = n->drafts != NULL;
	if (written) {
		process = process_of(pid);
		opened = use_locked(opened_by_locked(n, process));
	}
	lock_release(&t->lock);
	if (opened || !written || holder_process(process, n->ino) != HOLDING_YES)
		return opened;
	LOCK_SCOPE(&t->lock);
	return use_locked(inherited_locked(n, process));
}

bool edit_size_for(struct tree *t, struct node *node, struct handle *through, pid_t pid,
		   size_t *size)
{
	bool known = through && through->draft;
	struct draft *d = known ? through->draft : writing_draft_of(t, node, pid);

	if (!d)
		return false;
	LOCK_SCOPE(&t->lock);
	refresh_locked(t, node, d, SIZE_MAX);
	*size = draft_size(d);
	if (!known)
		draft_put_locked(d);
	return true;
}

/* Readers that go through the kernel's pages are given a moment to finish; those that come from now
 * on get copies. */
static void wait_for_readers_locked(struct tree *t, struct node *n)
{
	LOCK_HELD(&t->lock);
	uint64_t until = node_is_field(n) ? field_read_until_locked(field_of(n)) : 0;

	while (n->cached > 0)
		if (!cond_wait_until(&t->drained, &t->lock, until))
			return;
}

/* The handle, with a draft of what the file holds in `base`. */
static int begin_draft_locked(struct tree *t, struct node *n, struct kv_version *base, int flags,
			      const struct request *rq, struct handle **out)
{
	LOCK_HELD(&t->lock);
	struct target at = target_of_locked(n);
	struct handle *h = handle_new_locked(t, n);
	struct draft *d = draft_new(base, rq->caller, target_max(t, &at));
	int r = h && d ? 0 : -ENOMEM;

	if (r == 0 && !(flags & O_TRUNC))
		r = target_print_shown(t, &at, base, &d->text);
	if (r == 0)
		r = draft_charge(d, &t->drafts);
	if (r < 0) {
		draft_put_locked(d);
		if (h)
			handle_free_locked(t, h);
		return err_set(rq->err, ENOMEM, "no memory for a draft");
	}
	/* What is too large for us to write may still be cut to size. */
	if (d->text.len > d->max)
		d->max = d->text.len;
	d->is_value = at.field && !is_json(base, at.field);
	d->replaces = (flags & O_TRUNC) || change_is_unseen(base);
	/* That there was none is what a new file is based on: O_EXCL means it, and of two who make the
	 * same one the second must not undo the first. */
	d->depends = !change_is_unseen(base) && !target_holds(&at, base);
	d->emptied = (flags & O_TRUNC) && target_loses(t, &at, base);
	h->append = flags & O_APPEND;
	h->draft = d;
	n->writers++;
	DL_APPEND(n->drafts, h);
	wait_for_readers_locked(t, n);
	*out = h;
	return 0;
}

/* A file that came to be between the kernel's lookup and its create: then create is an open. */
static int permit_made_locked(struct tree *t, struct node *n, int flags, const struct request *rq)
{
	LOCK_HELD(&t->lock);
	int r = tree_permit_locked(t, n, rq->caller, permit_open_mask(flags));

	return r < 0 ? permit_refused(rq->err, r) : 0;
}

static int open_scratch(struct tree *t, struct node *node, int flags, const struct request *rq,
			struct handle **out)
{
	int r = flags & O_TRUNC ? draft_truncate(scratch_of(node)->draft, 0) : 0;
	LOCK_SCOPE(&t->lock);

	if (r == 0)
		r = scratch_open_locked(t, scratch_of(node), flags, out);
	return r;
}

/* No version is made by it: of "metadata.json", or by an order. */
static int open_apart(struct tree *t, struct node *node, struct target *at, int flags,
		      const struct request *rq, struct handle **out)
{
	_cleanup_object_ struct kv_version *base = kv_version_empty(KV_ABSENT, 0);
	_cleanup_object_ struct object *seen = NULL;
	_cleanup_buf_ struct buf text = {0};
	LOCK_SCOPE(&t->lock);
	int r = base ? 0 : err_set(rq->err, ENOMEM, "no memory for a draft");

	if (r == 0 && at->kind->look_locked)
		r = at->kind->look_locked(t, at->dir, rq, &seen);
	at->seen = seen;
	if (r == 0 && seen && !(flags & O_TRUNC))
		r = target_print(at, base, &text);
	if (r == 0)
		r = begin_draft_locked(t, node, base, flags, rq, out);
	if (r == 0 && seen) {
		draft_take_text((*out)->draft, &text);
		(*out)->draft->seen = steal(seen);
	}
	return r;
}

static int open_found(struct tree *t, struct node *node, int flags, const struct request *rq,
		      struct handle **out)
{
	_cleanup_object_ struct kv_version *base = NULL;
	struct target at;
	int r = tree_permit(t, node, rq->caller, permit_open_mask(flags));

	if (r < 0)
		return permit_refused(rq->err, r);
	if (node_is_scratch(node))
		return open_scratch(t, node, flags, rq, out);
	lock_acquire(&t->lock);
	at = target_of_locked(node);
	lock_release(&t->lock);
	if (!at.kind)
		return permit_refused(rq->err, -EROFS);
	if (target_is_apart(&at))
		return open_apart(t, node, &at, flags, rq, out);
	r = change_look(t, at.dir, rq, at.kind->whole && (flags & O_TRUNC), &base);
	if (r == 0)
		r = target_permit(t, &at, base, rq->err);
	if (r != 0)
		return r;
	LOCK_SCOPE(&t->lock);
	/* The kernel looks it up anew, and with O_CREAT has it made. */
	if (node->gone || (!node->local && !target_shows(t, &at, base)))
		return err_set(rq->err, ESTALE, "%s is not there any more", node->name);
	r = at.field ? rule_check_field(&t->config.rules, at.dir->path, base, at.field->raw,
					at.field->raw_len, rq->err)
		     : 0;
	if (r < 0)
		return r;
	return begin_draft_locked(t, node, base, flags, rq, out);
}

int edit_open(struct tree *t, struct node *node, int flags, const struct request *rq,
	      struct handle **out)
{
	struct node *found;
	int r = names_find_again(t, node, rq, &found);

	if (r == 0)
		r = open_found(t, found, flags, rq, out);
	/* The kernel looks it up anew, and with O_CREAT has it made. */
	if (r == -ENOENT && !found)
		r = err_set(rq->err, ESTALE, "it is not there any more");
	names_drop(t, found);
	return r;
}

/* The file that is made, with a use for the caller; `there`: the server has it already. */
static int make_field_locked(struct tree *t, struct dir *d, const char *name,
			     const struct names_new *new, bool there, const struct request *rq,
			     struct field **out)
{
	LOCK_HELD(&t->lock);
	struct field *f = field_child_locked(t, d, name, new->raw, new->len);
	int r;

	if (!f)
		return err_set(rq->err, ENOMEM, "no memory for a file");
	*out = f;
	r = there ? 0 : node_make_local_locked(t, &f->node, rq->caller->uid);
	if (r < 0)
		return names_no_room(rq->err, r);
	scratch_unhide_locked(t, f);
	field_stay_locked(f);
	if (there)
		node_unlocal_locked(t, &f->node); /* somebody else has made it meanwhile */
	return 0;
}

static int view_locked(struct tree *t, struct node *n, struct view *view)
{
	LOCK_HELD(&t->lock);

	*view = (struct view){.node = n, .entry_ttl = t->config.ttl};
	node_stat_locked(t, n, &view->attr);
	view->attr.st_mtim = clock_timespec(clock_wall());
	view->attr.st_ctim = view->attr.st_atim = view->attr.st_mtim;
	n->lookups++;
	return 0;
}

static int create_scratch(struct tree *t, struct node *dir, const char *name, int flags,
			  const struct request *rq, struct view *view, struct handle **out)
{
	LOCK_SCOPE(&t->lock);
	struct scratch *s;
	int r;

	if (dir->gone)
		return err_set(rq->err, ENOENT, "%s is not there any more", dir->name);
	s = scratch_new_locked(t, dir, name, rq->caller);
	r = s ? scratch_open_locked(t, s, flags, out) : -ENOMEM;
	if (r == 0)
		r = view_locked(t, &s->node, view);
	if (r < 0 && s)
		scratch_drop_locked(t, s);
	if (s)
		node_unuse_locked(t, &s->node);
	return r < 0 ? err_set(rq->err, -r, "no memory for a file") : 0;
}

/* data.json, where there is no secret yet, or its name was removed a moment ago. */
static int create_document(struct tree *t, struct node *control, const char *name, int flags,
			   const struct request *rq, struct view *view, struct handle **out)
{
	_cleanup_object_ struct kv_version *base = NULL;
	struct dir *d = control_owner(control);
	struct node *n;
	int r;

	if (!dir_holds_fields(t, d))
		return err_set(rq->err, EINVAL, "the engine itself is no secret");
	r = change_look(t, d, rq, true, &base);
	/* The name may be out of its sight, but the secret is there, and would be replaced. */
	if (r == 0 && (base->state == KV_LIVE || change_is_unseen(base)))
		r = rights_whole(t, d, rq->caller, W_OK, rq->err);
	if (r == 0)
		r = layered_permit_document(t, d, base, rq->err);
	if (r != 0)
		return r;
	LOCK_SCOPE(&t->lock);
	if ((flags & O_EXCL) && base->state == KV_LIVE && clock_mono() >= d->document_until)
		return err_set(rq->err, EEXIST, "there is a secret already");
	n = t->config.control->child_locked(control, name);
	if (!n)
		return err_set(rq->err, ENOMEM, "no memory for a file");
	d->document_until = 0;
	r = begin_draft_locked(t, n, base, flags | O_TRUNC, rq, out);
	if (r == 0) {
		view_locked(t, n, view);
		view->entry_ttl = 0;
	}
	node_unuse_locked(t, n);
	return r;
}

static int create_in_control(struct tree *t, struct node *dir, const char *name, int flags,
			     mode_t mode, const struct request *rq, struct view *view,
			     struct handle **out)
{
	const struct node_type *type =
		node_is_control_dir(dir) ? t->config.control->type_of(name) : NULL;
	bool scratch;

	if (type && type->written && type->written->whole)
		return create_document(t, dir, name, flags, rq, view, out);
	lock_acquire(&t->lock);
	scratch = node_is_control_dir(dir) &&
		  (scratch_is_made_by(flags, mode) || scratch_has_name_locked(t, dir, name));
	lock_release(&t->lock);
	if (scratch)
		return create_scratch(t, dir, name, flags, rq, view, out);
	return err_set(rq->err, EPERM, "there are no files like %s here", name);
}

/* Whether it is to be one of this mount alone: the server has no field of that name. PARKED too. */
static int wants_scratch_locked(struct tree *t, struct dir *d, const char *name, int flags,
				mode_t mode, const struct names_new *new, const struct request *rq,
				bool *scratch)
{
	LOCK_HELD(&t->lock);
	_cleanup_object_ struct kv_version *v = NULL;
	uint64_t ttl;
	int r;

	*scratch = scratch_is_made_by(flags, mode) || scratch_has_name_locked(t, &d->node, name);
	if (!*scratch)
		return 0;
	r = dir_version_locked(t, d, rq->ask, &v, &ttl, rq->err);
	if (r == -EACCES)
		return 0;
	if (r == 0)
		*scratch = !dir_shows_field_locked(d, v, new->raw, new->len);
	return r;
}

static int create_field(struct tree *t, struct dir *d, const char *name,
			const struct names_new *new, int flags, const struct request *rq,
			struct view *view, struct handle **out)
{
	_cleanup_object_ struct kv_version *base = NULL;
	bool there, revoked, moved;
	struct field *f = NULL;
	struct node *known;
	int r;

	lock_acquire(&t->lock);
	revoked = removal_revoke_locked(t, d, new->raw, new->len, rq);
	lock_release(&t->lock);
	r = change_look(t, d, rq, false, &base);
	if (r == 0)
		r = layered_permit(t, d, new->raw, new->len, rq->err);
	if (r != 0)
		return r;
	LOCK_SCOPE(&t->lock);
	known = node_child_locked(&d->node, name);
	moved = known && node_is_field(known) && field_of(known)->moved;
	there = kv_version_field(base, new->raw, new->len) != NULL;
	if (d->node.gone)
		return err_set(rq->err, ENOENT, "%s is not there any more", d->node.name);
	if (there && (flags & O_EXCL) && !revoked && !moved)
		return err_set(rq->err, EEXIST, "%s was made by somebody else meanwhile", name);
	r = rule_check_field(&t->config.rules, d->path, base, new->raw, new->len, rq->err);
	if (r == 0)
		r = make_field_locked(t, d, name, new, there, rq, &f);
	if (r == 0 && there && !revoked && !moved)
		r = permit_made_locked(t, &f->node, flags, rq);
	if (r == 0)
		r = begin_draft_locked(t, &f->node, base,
				       revoked || moved ? flags | O_TRUNC : flags, rq, out);
	if (r == 0) {
		(*out)->draft->owes_removal = revoked && there;
		view_locked(t, &f->node, view);
	}
	if (f)
		node_unuse_locked(t, &f->node);
	return r;
}

/* Here only what programs make to rename it is no field. */
static int create_in_fields(struct tree *t, struct node *dir, const char *name,
			    const struct names_new *new, int flags, mode_t mode,
			    const struct request *rq, struct view *view, struct handle **out)
{
	if (scratch_is_made_by(flags, mode))
		return create_scratch(t, dir, name, flags, rq, view, out);
	return create_field(t, control_owner(dir), fields_key_of(name).text, new, flags, rq, view,
			    out);
}

static int create_any(struct tree *t, struct node *dir, const char *name, int flags, mode_t mode,
		      const struct request *rq, struct view *view, struct handle **out)
{
	struct names_new new;
	bool scratch = false;
	int r = tree_permit(t, dir, rq->caller, W_OK | X_OK);

	if (r < 0)
		return permit_refused(rq->err, r);
	if (node_is_control(dir) && !node_is_fields(dir))
		return create_in_control(t, dir, name, flags, mode, rq, view, out);
	r = names_check_new(name, &new, rq->err);
	if (r < 0)
		return r;
	if (node_is_fields(dir))
		return create_in_fields(t, dir, name, &new, flags, mode, rq, view, out);
	lock_acquire(&t->lock);
	r = wants_scratch_locked(t, dir_of(dir), name, flags, mode, &new, rq, &scratch);
	lock_release(&t->lock);
	if (r != 0)
		return r;
	if (scratch)
		return create_scratch(t, dir, name, flags, rq, view, out);
	if (!dir_holds_fields(t, dir_of(dir)))
		return err_set(rq->err, EINVAL, "a field needs a secret: make a directory first");
	return create_field(t, dir_of(dir), name, &new, flags, rq, view, out);
}

int edit_create(struct tree *t, struct node *dir, const char *name, int flags, mode_t mode,
		const struct request *rq, struct view *view, struct handle **out)
{
	int r = create_any(t, dir, name, flags, mode, rq, view, out);

	if (r == 0)
		names_moved(t, dir);
	return r;
}
