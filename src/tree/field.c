// SPDX-License-Identifier: Apache-2.0
/* Fields as files: what stat(2) says of one, and what it holds. */

#include "tree/field.h"

#include "base/clock.h"
#include "base/codec.h"
#include "node/fixed.h"
#include "node/name.h"
#include "vault/reply.h"
#include "tree/latest.h"
#include "tree/handle.h"
#include "tree/layered.h"

#include <errno.h>
#include <string.h>
#include <utlist.h>

uint64_t field_ino(const struct dir *d, const char *raw, size_t raw_len)
{
	_cleanup_buf_ struct buf b = {0};

	buf_printf(&b, "f:%s", d->path);
	buf_add(&b, "", 1);
	buf_add(&b, raw, raw_len);
	return buf_status(&b) == 0 ? stable_hash(b.data, b.len) : 2;
}

static bool is_named(struct node *n, const char *raw, size_t raw_len)
{
	const struct field *f = field_of(n);

	return node_is_field(n) && f->raw_len == raw_len && !memcmp(f->raw, raw, raw_len);
}

/* A field keeps its number when it is renamed: another of its old name needs one of its own. The same
 * field in ".vault/fields" has the same one. */
static uint64_t free_ino_locked(const struct dir *d, uint64_t ino, const char *raw, size_t raw_len)
{
	LOCK_HELD_NAMED(LOCK_TREE);
	struct node *child, *next;

	if (!d->renamed)
		return ino;
	HASH_ITER (hh, d->node.children, child, next)
		if (child->ino == ino && !is_named(child, raw, raw_len))
			return free_ino_locked(d, stable_hash(&ino, sizeof(ino)), raw, raw_len);
	return ino;
}

uint64_t field_ino_now_locked(const struct dir *d, const char *raw, size_t raw_len)
{
	LOCK_HELD_NAMED(LOCK_TREE);

	return free_ino_locked(d, field_ino(d, raw, raw_len), raw, raw_len);
}

/* Who has it open goes on with what it was, whatever has its name. */
static bool is_open_locked(const struct tree *t, const struct node *n)
{
	LOCK_HELD(&t->lock);
	const struct handle *h;

	DL_FOREACH2(t->handles, h, after)
	if (h->node == n)
		return true;
	return false;
}

/* A removed field of that name comes back to life, where somebody can still reach it and nobody has it
 * open. It stays where it is, with the name that it has: a change that is under way may know both. Of a
 * file that never changes, with fast_open, the next one is always another. */
static struct field *revive_locked(const struct tree *t, struct dir *d, const char *name)
{
	LOCK_HELD(&t->lock);
	struct field *f;
	struct node *n;

	DL_FOREACH (d->node.removed, n)
		if (node_is_field(n) && n->lookups && !t->config.fast_open &&
		    !strcmp(n->name, name) && !field_of(n)->moved && !is_open_locked(t, n))
			break;
	if (!n)
		return NULL;
	node_attach_locked(n);
	f = field_of(node_use_locked(n));
	field_stay_locked(f);
	f->type = (enum kv_type){0};
	f->spoilt = 0;
	return f;
}

struct field *field_child_locked(struct tree *t, struct dir *d, const char *name, const char *raw,
				 size_t raw_len)
{
	LOCK_HELD(&t->lock);
	struct node *known = node_child_locked(&d->node, name);
	struct field *f;

	if (known && node_is_field(known))
		return field_of(node_use_locked(known));
	if (known)
		node_detach_locked(known); /* a directory of that name has gone */
	f = revive_locked(t, d, name);
	if (f)
		return f;
	f = calloc(1, sizeof(*f));
	if (!f)
		return NULL;
	f->raw = malloc(raw_len + 1);
	if (f->raw) {
		memcpy(f->raw, raw, raw_len);
		f->raw[raw_len] = '\0';
		f->raw_len = raw_len;
	}
	if (!f->raw || node_init_locked(&f->node, &field_type, &d->node, name,
					field_ino_now_locked(d, raw, raw_len)) < 0) {
		free(f->node.name);
		free(f->raw);
		free(f);
		return NULL;
	}
	return f;
}

int field_rename_locked(struct tree *t, struct field *f, struct dir *to, const char *name,
			const char *raw, size_t raw_len)
{
	LOCK_HELD(&t->lock);
	char *copy = malloc(raw_len + 1);

	struct dir *from = field_dir(f);

	if (!copy || node_move_locked(t, &f->node, &to->node, name) < 0) {
		free(copy);
		return -ENOMEM;
	}
	if (from != to)
		shown_moved(&from->shown, &to->shown, f->readers);
	to->renamed = true;
	memcpy(copy, raw, raw_len);
	copy[raw_len] = '\0';
	free(f->raw);
	f->raw = copy;
	f->raw_len = raw_len;
	return 0;
}

int field_fix_locked(struct tree *t, struct field *f, struct kv_version *v)
{
	LOCK_HELD(&t->lock);
	const struct kv_field *entry = kv_version_field(v, f->raw, f->raw_len);
	struct timespec mtime = clock_timespec(field_dir(f)->shown.mtime);
	struct content content;
	int r;

	if (!t->config.fast_open || !entry)
		return 0;
	if (f->node.fixed && f->node.fixed->content.object) {
		fixed_used_locked(t, &f->node);
		return 0;
	}
	content =
		(struct content){.object = object_ref(v), .bytes = entry->text, .len = entry->len};
	r = fixed_set_locked(t, &f->node, &content, &mtime);
	if (r < 0)
		return r;
	f->node.fixed->number = v->number;
	f->node.fixed->created = v->created;
	return 0;
}

static int no_such_field(const struct field *f, struct err *err)
{
	return err_set(err, ENOENT, "%s is not there any more", f->node.name);
}

/* The directory that has the place of `d` now: itself while it is there. NULL: none is known. */
static struct dir *living_dir_locked(struct dir *d)
{
	LOCK_HELD_NAMED(LOCK_TREE);
	struct dir *parent;
	struct node *n;

	if (!d->node.gone)
		return d;
	parent = living_dir_locked(dir_of(d->node.parent));
	n = parent ? node_child_locked(&parent->node, d->node.name) : NULL;
	return n && node_is_dir(n) ? dir_of(n) : NULL;
}

/* Of a removed one. */
static int find_again_locked(struct tree *t, struct field *f, const struct ask *ask,
			     struct node **out, struct err *err)
{
	LOCK_HELD(&t->lock);
	_cleanup_object_ struct kv_version *v = NULL;
	struct dir *d = living_dir_locked(field_dir(f));
	struct node *known = d ? node_child_locked(&d->node, f->node.name) : NULL;
	struct field *now;
	uint64_t ttl;
	int r = 0;

	if (!d || t->config.fast_open)
		return no_such_field(f, err);
	/* A new file of ours is not at the server yet. */
	if (!known || !known->local || !node_is_field(known))
		r = layered_version_locked(t, d, ask, &v, &ttl, err);
	if (r != 0)
		return r;
	if (v && !dir_shows_field_locked(d, v, f->raw, f->raw_len))
		return no_such_field(f, err);
	now = field_child_locked(t, d, f->node.name, f->raw, f->raw_len);
	if (!now)
		return err_set(err, ENOMEM, "no memory for a file");
	*out = &now->node;
	return 0;
}

int field_find_again_locked(struct tree *t, struct node *n, const struct ask *ask,
			    struct node **out, struct err *err)
{
	LOCK_HELD(&t->lock);

	*out = NULL;
	if (node_is_field(n) && n->gone)
		return find_again_locked(t, field_of(n), ask, out, err);
	*out = node_use_locked(n);
	return 0;
}

int field_stand_in_locked(struct tree *t, struct node *n, const struct ask *ask, struct node **out)
{
	LOCK_HELD(&t->lock);
	int r = field_find_again_locked(t, n, ask, out, NULL);

	if (r == PARKED)
		return r;
	if (r < 0)
		*out = node_use_locked(n);
	return 0;
}

/* The field's entry in the version that may be shown now; `v` is the caller's, NULL for what a layer
 * beside the server holds. */
static int current_locked(struct tree *t, struct field *f, const struct ask *ask,
			  struct kv_version **v, const struct kv_field **entry, uint64_t *ttl,
			  struct err *err)
{
	LOCK_HELD(&t->lock);
	int r;

	if (f->node.gone)
		return no_such_field(f, err);
	*ttl = t->config.ttl;
	*entry = &f->layered;
	if (layered_field(t, f, 0, &f->layered) != LAYER_NONE)
		return 0;
	r = latest_get_locked(t, field_dir(f), ask, v, ttl, err);
	if (r == PARKED)
		return r;
	*entry = r == 0 ? kv_version_field(*v, f->raw, f->raw_len) : NULL;
	if (*entry)
		return 0;
	object_put(steal(*v));
	*ttl = r == 0 ? t->config.negative_ttl : 0;
	*entry = &f->layered;
	if (layered_field(t, f, r == 0 ? -ENOENT : r, &f->layered) != LAYER_NONE)
		return 0;
	if (r < 0 && reply_is_outage(-r))
		layered_unanswered_locked(t, field_dir(f), f->raw, f->raw_len, ask, err);
	return r < 0 ? r : no_such_field(f, err);
}

/* Of what is removed: what those who have it open read. */
static size_t gone_size_locked(struct tree *t, struct field *f)
{
	LOCK_HELD(&t->lock);
	const struct handle *h;

	DL_FOREACH2(t->handles, h, after)
	if (h->node == &f->node && h->content.object)
		return h->content.len;
	return f->size;
}

/* Of a removed one that nobody has open: as of that which has its name. The kernel is to ask each time,
 * since it is not told of changes. */
static int attr_again_locked(struct tree *t, struct field *f, const struct ask *ask,
			     struct stat *attr, uint64_t *ttl, struct err *err)
{
	LOCK_HELD(&t->lock);
	struct node *now;
	int r = field_find_again_locked(t, &f->node, ask, &now, err);

	if (r != 0)
		return r;
	attr->st_nlink = 1;
	r = now->type->attr_locked(t, now, ask, attr, ttl, err);
	if (now != &f->node)
		*ttl = 0;
	node_unuse_locked(t, now);
	return r;
}

static int field_attr_locked(struct tree *t, struct node *n, const struct ask *ask,
			     struct stat *attr, uint64_t *ttl, struct err *err)
{
	LOCK_HELD(&t->lock);
	struct field *f = field_of(n);
	_cleanup_object_ struct kv_version *v = NULL;
	const struct kv_field *entry;
	int r;

	*ttl = 0;
	if (n->fixed) {
		fixed_stat(n, attr);
		*ttl = t->config.ttl;
		return -field_dir(f)->shown.refused;
	}
	if (f->node.local) {
		attr->st_mtim = clock_timespec(t->started);
		return 0;
	}
	if (n->leaving) {
		attr->st_size = (off_t)f->size;
		attr->st_mtim = clock_timespec(field_dir(f)->shown.mtime);
		return 0;
	}
	if (n->gone && !is_open_locked(t, n))
		return attr_again_locked(t, f, ask, attr, ttl, err);
	if (n->gone) {
		attr->st_size = (off_t)gone_size_locked(t, f);
		attr->st_mtim = clock_timespec(field_dir(f)->shown.mtime);
		return 0;
	}
	r = current_locked(t, f, ask, &v, &entry, ttl, err);
	if (r != 0)
		return r;
	f->size = entry->len;
	attr->st_size = (off_t)entry->len;
	attr->st_mtim = clock_timespec(v ? field_dir(f)->shown.mtime : t->started);
	return 0;
}

static int field_content_locked(struct tree *t, struct node *n, const struct ask *ask,
				struct content *out, struct err *err)
{
	LOCK_HELD(&t->lock);
	struct field *f = field_of(n);
	struct kv_version *v = NULL;
	const struct kv_field *entry;
	uint64_t ttl;
	int r;

	*out = (struct content){.bytes = ""};
	if (f->node.local)
		return 0;
	r = current_locked(t, f, ask, &v, &entry, &ttl, err);
	if (r != 0) {
		object_put(v);
		return r;
	}
	f->size = entry->len;
	*out = (struct content){
		.object = v ? &v->object : NULL, .bytes = entry->text, .len = entry->len};
	return 0;
}

static void field_access_locked(const struct tree *t, const struct node *n, struct access *a)
{
	LOCK_HELD(&t->lock);
	const struct field *f = container_of(n, const struct field, node);

	rule_access(rules_of_field(&t->config.rules, dir_of(n->parent)->path, f->raw), a);
}

static const char *field_writes(const struct node *n, unsigned *any, bool *below)
{
	*any = KV_UPDATE | KV_PATCH;
	return dir_of(n->parent)->path;
}

static void field_free(struct tree *t, struct node *n)
{
	struct field *f = field_of(n);

	free(f->raw);
	free(f);
}

const struct node_type field_type = {
	.format = S_IFREG,
	.writable = true,
	.access_locked = field_access_locked,
	.writes = field_writes,
	.attr_locked = field_attr_locked,
	.content_locked = field_content_locked,
	.free = field_free,
};
