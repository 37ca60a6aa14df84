// SPDX-License-Identifier: Apache-2.0
/* Renaming. A field's new name is a version like any other; across secrets the target is written
 * before the source is removed, so that nothing is lost half-way. A scratch file that is renamed over
 * a field, or over a document, is how most programs write: that commits. */

#include "edit/metadata.h"
#include "edit/names.h"

#include "base/clock.h"
#include "base/codec.h"
#include "edit/change.h"
#include "edit/closing.h"
#include "edit/removal.h"
#include "edit/scratch.h"
#include "edit/target.h"
#include "tree/announce.h"
#include "tree/control_dir.h"
#include "tree/dir_traits.h"
#include "tree/layered.h"
#include "tree/rights.h"
#include "node/name.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

/* A rename, once both ends are known. */
struct renaming {
	const struct tree *tree;
	struct field *from;
	struct dir *to;
	struct node *in;       /* the directory: `to`, or its ".vault/fields" */
	const char *name;      /* in it */
	struct fields_key key; /* the field's node in `to` */
	char raw[NAME_BYTES_MAX + 1];
	size_t len;
	bool no_replace;
};

static int check_target(struct renaming *m, struct err *err)
{
	int len;

	if (strlen(m->name) > NAME_BYTES_MAX)
		return err_set(err, ENAMETOOLONG, "a name of %zu bytes", strlen(m->name));
	len = name_unescape(m->name, m->raw);
	if (len < 0 || !strcmp(m->name, ".vault"))
		return err_set(err, EINVAL, "no field can have this name");
	m->len = (size_t)len;
	m->key = fields_key_of(m->name);
	if (!node_is_fields(m->in))
		strcpy(m->key.text, m->name);
	if (!utf8_valid(m->raw, m->len))
		return err_set(err, EILSEQ, "the name is not UTF-8, and cannot be stored");
	return 0;
}

static struct kv_change set_to(const struct renaming *m, const struct kv_field *value)
{
	return (struct kv_change){.name = m->raw,
				  .name_len = m->len,
				  .type = value->type,
				  .binary = value->binary,
				  .text = value->text,
				  .len = value->len};
}

static int no_source(const struct renaming *m, struct err *err)
{
	if (layered_has(m->tree, m->from))
		return err_set(err, EROFS, "%s is not the server's, and cannot be moved",
			       m->from->node.name);
	return err_set(err, ENOENT, "%s is not there any more", m->from->node.name);
}

/* Who has the field open goes on from the version that has it under its new name (`made`), if what they
 * have opened is what was moved; `moved` is NULL where the field was at the server under neither. */
static void rebase_locked(const struct renaming *m, const struct kv_field *moved,
			  struct kv_version *made)
{
	LOCK_HELD(&m->tree->lock);
	struct field *f = m->from;
	struct handle *h;

	DL_FOREACH (f->node.drafts, h) {
		struct kv_version *base = h->draft->base;

		if (!kv_field_equal(kv_version_field(base, f->raw, f->raw_len), moved))
			continue;
		draft_set_base_locked(h->draft, made);
		if (!moved)
			draft_found(h->draft);
	}
}

/* Before the right to change the secret is given back: or a draft would be committed to the old name. */
static int relabel(struct tree *t, const struct renaming *m, const struct kv_field *moved,
		   struct kv_version *made, struct err *err)
{
	LOCK_SCOPE(&t->lock);
	struct node *there = node_child_locked(&m->to->node, m->key.text);

	if (made)
		rebase_locked(m, moved, made);
	if (there && there != &m->from->node)
		node_detach_locked(there);
	if (field_rename_locked(t, m->from, m->to, m->key.text, m->raw, m->len) < 0)
		return err_set(err, ENOMEM, "no memory");
	return 0;
}

static int rename_within(struct tree *t, const struct renaming *m, const struct request *rq)
{
	_cleanup_object_ struct kv_version *base = NULL, *made = NULL;
	struct commit c = {.dir = m->to, .count = 2, .blind = true, .built_on = 1};
	struct kv_change changes[2];
	const struct kv_field *value;
	int r = change_begin(t, m->to, rq, false, &base, &c.cas);

	if (r != 0)
		return r;
	value = kv_version_field(base, m->from->raw, m->from->raw_len);
	if (!value) {
		r = no_source(m, rq->err);
	} else if (m->no_replace && kv_version_field(base, m->raw, m->len)) {
		r = err_set(rq->err, EEXIST, "%s is there already", m->name);
	} else {
		changes[0] = (struct kv_change){
			.name = m->from->raw, .name_len = m->from->raw_len, .remove = true};
		changes[1] = set_to(m, value);
		c.base = base;
		c.changes = changes;
		c.built_on += m->no_replace;
		r = commit_make(t, &c, rq, &made);
	}
	if (r == 0)
		r = relabel(t, m, value, made, rq->err);
	commit_end(t, m->to);
	return r;
}

/* Writes the value under its new name in the other secret: *made, the caller's. */
static int write_target(struct tree *t, const struct renaming *m, const struct kv_field *value,
			const struct request *rq, struct kv_version **made)
{
	_cleanup_object_ struct kv_version *base = NULL;
	struct kv_change change = set_to(m, value);
	struct commit c = {.dir = m->to, .changes = &change, .count = 1, .blind = !m->no_replace};
	int r = change_begin(t, m->to, rq, false, &base, &c.cas);

	if (r != 0)
		return r;
	c.base = base;
	if (m->no_replace && kv_version_field(base, m->raw, m->len))
		r = err_set(rq->err, EEXIST, "%s is there already", m->name);
	else
		r = commit_make(t, &c, rq, made);
	commit_end(t, m->to);
	return r;
}

static int rename_across(struct tree *t, const struct renaming *m, const struct request *rq)
{
	_cleanup_object_ struct kv_version *base = NULL, *made = NULL, *left = NULL;
	struct kv_change removal = {
		.name = m->from->raw, .name_len = m->from->raw_len, .remove = true};
	struct commit c = {.dir = field_dir(m->from), .changes = &removal, .count = 1};
	const struct kv_field *value;
	int r = change_begin(t, c.dir, rq, false, &base, &c.cas);

	if (r != 0)
		return r;
	c.base = base;
	value = kv_version_field(base, m->from->raw, m->from->raw_len);
	r = value ? commit_check(t, &c, rq->err) : no_source(m, rq->err);
	if (r == 0)
		r = write_target(t, m, value, rq, &made);
	if (r == 0)
		r = commit_make(t, &c, rq, &left);
	if (r == 0)
		r = relabel(t, m, value, made, rq->err);
	commit_end(t, c.dir);
	return r;
}

static int move_value(struct tree *t, const struct renaming *m, const struct request *rq)
{
	return field_dir(m->from) == m->to ? rename_within(t, m, rq) : rename_across(t, m, rq);
}

/* A file that was made and never written has nothing to move but its name. */
static int rename_local(struct tree *t, const struct renaming *m, const struct request *rq)
{
	static const struct kv_field nothing = {.type = KV_STRING, .text = "", .len = 0};
	_cleanup_object_ struct kv_version *made = NULL;
	struct node *there = NULL;
	int r = names_find(t, m->in, m->name, rq, &there);

	names_drop(t, there);
	if (r == -ENOENT)
		return relabel(t, m, NULL, NULL, rq->err);
	if (r == 0 && m->no_replace)
		return err_set(rq->err, EEXIST, "%s is there already", m->name);
	if (r == 0)
		r = closing_commit_new(t, m->from, rq);
	if (r == 0 && !m->from->node.local)
		return move_value(t, m, rq);
	if (r == 0)
		r = write_target(t, m, &nothing, rq, &made);
	if (r == 0) {
		lock_acquire(&t->lock);
		node_unlocal_locked(t, &m->from->node); /* the caller has another use */
		lock_release(&t->lock);
		r = relabel(t, m, NULL, made, rq->err);
	}
	return r;
}

static int rename_field(struct tree *t, const struct renaming *m, const struct request *rq)
{
	return m->from->node.local ? rename_local(t, m, rq) : move_value(t, m, rq);
}

/* A field under a scratch file's name is one, and the server is not told: vim moves a file away like
 * that, and writes it anew. It goes at the server when the scratch file goes. */
static int move_aside(struct tree *t, const struct renaming *m, const struct request *rq)
{
	_cleanup_object_ struct kv_version *base = NULL;
	const struct kv_field *value;
	struct scratch *s;
	int r = change_check(t, m->to, rq, &base);

	if (r != 0)
		return r;
	LOCK_SCOPE(&t->lock);
	value = kv_version_field(base, m->from->raw, m->from->raw_len);
	if (!value)
		return no_source(m, rq->err);
	s = scratch_new_locked(t, &m->to->node, m->name, rq->caller);
	if (!s)
		return err_set(rq->err, ENOMEM, "no memory");
	r = draft_write(s->draft, value->text, value->len, 0, false);
	if (r < 0) {
		scratch_drop_locked(t, s);
		err_set(rq->err, -r, "no room in scratch_max for %s", m->name);
	} else {
		s->draft->dirty = false;
		scratch_hide_locked(s, m->from);
		/* The kernel has moved the field's entry there. */
		announce_absence_locked(t, m->to, m->name);
	}
	node_unuse_locked(t, &s->node);
	return r;
}

/* Under a scratch file's name it becomes the mover's own. */
static int permit_move(struct tree *t, const struct renaming *m, bool scratch,
		       const struct request *rq)
{
	if (!scratch)
		return rights_move(t, m->from, m->to, m->raw, rq->caller, rq->err);
	return tree_permit(t, &m->from->node, rq->caller, R_OK) < 0
		       ? err_set(rq->err, EACCES, "a scratch file of it could be read")
		       : 0;
}

static bool moves_aside_locked(struct tree *t, const struct renaming *m, const struct node *there)
{
	LOCK_HELD(&t->lock);

	if (m->from->node.local || m->to != field_dir(m->from) || !node_is_dir(m->in))
		return false;
	return there ? node_is_scratch(there) : scratch_has_name_locked(t, m->in, m->name);
}

static int rename_a_field(struct tree *t, struct field *f, struct node *to, struct renaming *m,
			  const struct request *rq)
{
	struct node *there = NULL;
	bool scratch;
	int r;

	if (!node_is_dir(to) && !node_is_fields(to))
		return err_set(rq->err, EXDEV, "a field stays in its secret");
	m->from = f;
	m->in = to;
	m->to = node_is_dir(to) ? dir_of(to) : control_owner(to);
	r = check_target(m, rq->err);
	if (r == 0)
		r = layered_permit(t, field_dir(f), f->raw, f->raw_len, rq->err);
	if (r == 0)
		r = layered_permit(t, m->to, m->raw, m->len, rq->err);
	if (r == 0)
		r = names_find(t, to, m->name, rq, &there);
	if (r != 0 && r != -ENOENT)
		return r;
	lock_acquire(&t->lock);
	scratch = moves_aside_locked(t, m, there);
	lock_release(&t->lock);
	r = permit_move(t, m, scratch, rq);
	lock_acquire(&t->lock);
	if (r == 0 && there && node_is_scratch(there))
		scratch_drop_locked(t, scratch_of(there));
	lock_release(&t->lock);
	names_drop(t, there);
	if (r != 0)
		return r;
	if (scratch)
		return move_aside(t, m, rq);
	if (!dir_holds_fields(t, m->to))
		return err_set(rq->err, EINVAL, "a field needs a secret: make a directory first");
	return rename_field(t, m, rq);
}

/* From now on who has the scratch file open writes to that file. */
static void become(struct tree *t, struct scratch *s, struct node *n, struct kv_version *made)
{
	struct dir *d = n->type == &field_type ? field_dir(field_of(n)) : NULL;
	LOCK_SCOPE(&t->lock);

	if (d)
		scratch_unhide_locked(t, field_of(n));
	node_unlocal_locked(t, n);
	s->became = node_use_locked(n);
	object_put(s->draft->base);
	s->draft->base = made;
	draft_settle(s->draft);
	scratch_drop_locked(t, s);
}

/* As change_begin(), for what is no part of a version. */
static int begin_apart(struct tree *t, struct target *at, const struct request *rq,
		       struct kv_version **base)
{
	struct object *seen = NULL;
	int r;
	LOCK_SCOPE(&t->lock);

	r = at->kind->look_locked(t, at->dir, rq, &seen);
	if (r == 0)
		*base = kv_version_empty(KV_ABSENT, 0);
	if (r == 0)
		r = *base ? commit_begin_locked(t, at->dir, rq->ask)
			  : err_set(rq->err, ENOMEM, "no memory for a draft");
	if (r != 0)
		object_put(steal(seen));
	at->seen = seen;
	return r;
}

/* What the scratch file holds becomes what the file at the server holds. */
static int commit_scratch(struct tree *t, struct scratch *s, struct node *n, bool no_replace,
			  const struct request *rq)
{
	_cleanup_object_ struct kv_version *base = NULL;
	_cleanup_buf_ struct buf text = {0};
	struct kv_version *made = NULL;
	struct commit c = {.blind = !no_replace};
	struct target at;
	int r;

	lock_acquire(&t->lock);
	at = target_of_locked(n);
	lock_release(&t->lock);
	r = at.kind->look_locked ? begin_apart(t, &at, rq, &base)
				 : change_begin(t, at.dir, rq, at.kind->whole, &base, &c.cas);
	if (r != 0)
		return r;
	c.base = base;
	r = target_permit(t, &at, base, rq->err);
	if (r == 0 && no_replace && !change_is_unseen(base) && target_holds(&at, base)) {
		r = err_set(rq->err, EEXIST, "%s is there already", n->name);
	} else if (r == 0) {
		lock_acquire(&s->draft->lock);
		buf_add(&text, s->draft->text.data ? s->draft->text.data : "", s->draft->text.len);
		s->draft->dirty = s->draft->emptied = false;
		lock_release(&s->draft->lock);
		r = target_commit(t, &at, &text, &c, rq, &made);
	}
	if (r == 0)
		become(t, s, n, made);
	commit_end(t, at.dir);
	object_put((struct object *)at.seen);
	return r;
}

/* The version is written by now, so that this must not be parked: it would all be done again. */
static int remove_moved(struct tree *t, struct field *f, const struct request *rq)
{
	struct ask here = *rq->ask;
	struct request now = *rq;
	int r;

	here.waiter = NULL;
	now.ask = &here;
	r = removal_make(t, f, &now);
	if (r != PARKED)
		return r;
	LOCK_SCOPE(&t->lock);
	return removal_add_locked(t, f, NULL, false, rq);
}

/* The field, or document, of that name in a directory, with a use; `there` is what was found. */
static int file_for_scratch(struct tree *t, struct node *to, struct renaming *m, struct node *there,
			    struct node **out, struct err *err)
{
	const struct node_type *type =
		node_is_control_dir(to) ? t->config.control->type_of(m->name) : NULL;
	int r = 0;
	LOCK_SCOPE(&t->lock);

	if (type && type->written && type->written->whole) {
		*out = t->config.control->child_locked(to, m->name);
	} else if (there && there->type->written && there->type->written->commit) {
		*out = node_use_locked(there);
	} else if (!node_is_dir(to) && !node_is_fields(to)) {
		return err_set(err, EPERM, "there are no files like %s here", m->name);
	} else if (there && !node_is_field(there)) {
		return err_set(err, EISDIR, "%s is a directory", m->name);
	} else {
		m->in = to;
		m->to = node_is_dir(to) ? dir_of(to) : control_owner(to);
		r = check_target(m, err);
		if (r == 0 && !dir_holds_fields(t, m->to))
			r = err_set(err, EINVAL, "a field needs a secret to be in");
		if (r < 0)
			return r;
		*out = (struct node *)field_child_locked(t, m->to, m->key.text, m->raw, m->len);
		if (*out)
			field_stay_locked(field_of(*out));
	}
	return *out ? 0 : err_set(err, ENOMEM, "no memory");
}

static int move_scratch(struct tree *t, struct scratch *s, struct node *to, const char *name,
			struct node *there, struct err *err)
{
	LOCK_SCOPE(&t->lock);

	if (there)
		scratch_drop_locked(t, scratch_of(there));
	if (node_move_locked(t, &s->node, to, name) < 0)
		return err_set(err, ENOMEM, "no memory");
	return 0;
}

/* The field that was moved to this name, back to its own, as it was. */
static bool restore(struct tree *t, struct scratch *s, struct node *to, const char *name)
{
	LOCK_SCOPE(&t->lock);

	if (!s->hides || s->hides->node.parent != to || strcmp(s->hides->node.name, name) != 0 ||
	    s->draft->dirty)
		return false;
	scratch_unhide_locked(t, s->hides);
	scratch_drop_locked(t, s);
	return true;
}

/* The field that it hides, with a use for the caller; NULL where there is none. */
static struct node *take_hidden(struct tree *t, struct scratch *s)
{
	LOCK_SCOPE(&t->lock);

	return s->hides ? node_use_locked(&s->hides->node) : NULL;
}

/* The scratch file's content gets the rule of another name, so the caller must be able to read it. A
 * file that stands for the whole secret is more than a name in a directory. */
static int permit_commit(struct tree *t, struct scratch *s, struct node *n,
			 const struct request *rq)
{
	int r = tree_permit(t, &s->node, rq->caller, R_OK);

	if (r == 0 && node_is_control(n))
		r = tree_permit(t, n, rq->caller, W_OK);
	return r < 0 ? permit_refused(rq->err, r) : 0;
}

static int rename_a_scratch(struct tree *t, struct scratch *s, struct node *to, struct renaming *m,
			    const struct request *rq)
{
	struct node *there = NULL, *n = NULL, *moved;
	bool stays_scratch;
	int r;

	if (restore(t, s, to, m->name))
		return 0;
	r = names_find(t, to, m->name, rq, &there);
	if (r != 0 && r != -ENOENT)
		return r;
	if (there && m->no_replace && !node_is_dir(there)) {
		names_drop(t, there);
		return err_set(rq->err, EEXIST, "%s is there already", m->name);
	}
	lock_acquire(&t->lock);
	stays_scratch = there ? node_is_scratch(there) : scratch_has_name_locked(t, to, m->name);
	lock_release(&t->lock);
	if (stays_scratch) {
		r = move_scratch(t, s, to, m->name, there, rq->err);
	} else {
		moved = take_hidden(t, s);
		r = file_for_scratch(t, to, m, there, &n, rq->err);
		if (r == 0)
			r = permit_commit(t, s, n, rq);
		if (r == 0)
			r = commit_scratch(t, s, n, m->no_replace, rq);
		/* It was on its way from its own name to this one. */
		if (r == 0 && moved && moved != n)
			r = remove_moved(t, field_of(moved), rq);
		names_drop(t, moved);
	}
	names_drop(t, there);
	names_drop(t, n);
	return r;
}

/* An editor moves data.json away, and writes it anew. */
static int copy_document(struct tree *t, struct node *from, struct node *to, const char *name,
			 const struct request *rq)
{
	_cleanup_object_ struct kv_version *base = NULL;
	_cleanup_buf_ struct buf text = {0};
	struct target at = {from->type->written, control_owner(from), NULL, NULL};
	struct scratch *s;
	int r = tree_permit(t, from, rq->caller, R_OK);

	if (r < 0)
		return permit_refused(rq->err, r);
	r = change_check(t, at.dir, rq, &base);
	if (r != 0)
		return r;
	r = target_print(&at, base, &text);
	LOCK_SCOPE(&t->lock);
	if (r < 0 || to != from->parent || !scratch_has_name_locked(t, to, name))
		return err_set(rq->err, EXDEV, "data.json stays where it is");
	s = scratch_new_locked(t, to, name, rq->caller);
	r = s ? draft_write(s->draft, text.data, text.len, 0, false) : -ENOMEM;
	if (r == 0)
		document_hide_locked(at.dir, rq->caller);
	else if (s)
		scratch_drop_locked(t, s);
	if (s)
		node_unuse_locked(t, &s->node);
	return r < 0 ? err_set(rq->err, -r, "no room for %s", name) : 0;
}

int edit_rename(struct tree *t, struct node *from, const char *name, struct node *to,
		const char *new_name, unsigned flags, const struct request *rq)
{
	struct renaming m = {.tree = t, .name = new_name, .no_replace = flags & RENAME_NOREPLACE};
	struct node *child = NULL;
	int r = names_check_dir(t, from, rq);

	if (r == 0)
		r = names_check_dir(t, to, rq);
	if (r == 0 && (flags & ~(unsigned)RENAME_NOREPLACE))
		r = err_set(rq->err, EINVAL, "two files cannot be exchanged");
	if (r == 0)
		r = names_find(t, from, name, rq, &child);
	if (r != 0)
		return r;
	if (node_is_scratch(child))
		r = rename_a_scratch(t, scratch_of(child), to, &m, rq);
	else if (node_is_field(child))
		r = rename_a_field(t, field_of(child), to, &m, rq);
	else if (node_is_document(child))
		r = copy_document(t, child, to, new_name, rq);
	else if (node_is_control(child))
		r = err_set(rq->err, EROFS, "%s stays where it is", name);
	else
		r = err_set(rq->err, EXDEV, "the server cannot move a folder");
	if (r == 0) {
		names_moved(t, from);
		names_moved(t, to);
	}
	names_drop(t, child);
	return r;
}
