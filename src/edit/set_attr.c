// SPDX-License-Identifier: Apache-2.0
/* Attributes that can be set: a table; and the size of a file by its path. They are read in
 * control/xattr.c. */

#include "base/clock.h"
#include "base/json.h"
#include "edit/change.h"
#include "edit/closing.h"
#include "edit/metadata.h"
#include "edit/names.h"
#include "edit/scratch.h"
#include "edit/target.h"
#include "edit/value.h"
#include "edit/writing.h"
#include "host/process.h"
#include "tree/rights.h"
#include "tree/settings.h"
#include "tree/dir_traits.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <utlist.h>

static int parse_number(const char *value, size_t len, int64_t *number)
{
	char text[20], *end;

	if (len == 0 || len >= sizeof(text))
		return -EINVAL;
	memcpy(text, value, len);
	text[len] = '\0';
	if (text[strspn(text, "0123456789")])
		return -EINVAL;
	*number = strtoll(text, &end, 10);
	return 0;
}

/* FUSE does not say through which descriptor an attribute is set: it is taken for those that the
 * process has open for writing. */
static bool arm_drafts_locked(struct node *n, pid_t process, int64_t number)
{
	LOCK_HELD_NAMED(LOCK_TREE);
	struct handle *h;
	bool any = false;

	DL_FOREACH (n->drafts, h) {
		struct draft *d = h->draft;

		if (d->opener != process)
			continue;
		lock_acquire(&d->lock);
		d->cas = number;
		lock_release(&d->lock);
		any = true;
	}
	return any;
}

static int set_cas(struct tree *t, struct node *n, const char *value, size_t len,
		   const struct request *rq)
{
	pid_t process = process_of(rq->caller->pid);
	struct target at = {0};
	struct dir *d;
	int64_t number;
	int r = parse_number(value, len, &number);
	LOCK_SCOPE(&t->lock);

	if (!node_is_dir(n))
		at = target_of_locked(n);
	d = node_is_dir(n) ? dir_of(n) : at.dir;
	if (d && (dir_traits(t, d) & KV_FLAT))
		return err_set(rq->err, EOPNOTSUPP, "the engine has no check-and-set");
	if (r < 0)
		return err_set(rq->err, EINVAL, "not a version's number");
	if (node_is_dir(n))
		return cas_arm_locked(d, rq->caller->uid, number);
	if (!d)
		return -EOPNOTSUPP;
	if (arm_drafts_locked(n, process, number))
		return 0;
	return cas_arm_locked(at.dir, rq->caller->uid, number);
}

/* Lets go of a number that is armed. */
static int unset_cas(struct tree *t, struct node *n, const struct request *rq)
{
	LOCK_SCOPE(&t->lock);
	struct dir *d = node_is_dir(n) ? dir_of(n) : target_of_locked(n).dir;

	if (!d)
		return -EOPNOTSUPP;
	if (!node_is_dir(n))
		arm_drafts_locked(n, process_of(rq->caller->pid), NO_CAS);
	cas_disarm_locked(d, rq->caller->uid);
	return 0;
}

/* A version in which the field has the same text, as a value of another type. */
static int change_type(struct tree *t, struct field *f, enum kv_type type, const struct request *rq)
{
	_cleanup_object_ struct kv_version *base = NULL, *made = NULL;
	_cleanup_buf_ struct buf text = {0};
	struct kv_change change = {.name = f->raw, .name_len = f->raw_len};
	struct commit c = {.dir = field_dir(f), .changes = &change, .count = 1};
	const struct kv_field *old;
	int r = change_begin(t, c.dir, rq, false, &base, &c.cas);

	if (r != 0)
		return r;
	c.base = base;
	old = kv_version_field(base, f->raw, f->raw_len);
	if (!old) {
		r = err_set(rq->err, ENOENT, "%s is not there any more", f->node.name);
	} else if (old->binary && type != KV_STRING) {
		r = err_set(rq->err, EINVAL, "the value cannot be read as that type");
	} else if (!old->binary) {
		buf_add(&text, old->text, old->len);
		r = buf_status(&text);
		if (r == 0)
			r = value_as_type(type, &text, &change, rq->err);
		if (r == 0 && change.type != old->type)
			r = commit_make(t, &c, rq, &made);
	}
	commit_end(t, c.dir);
	return r;
}

static int set_type(struct tree *t, struct node *n, const char *value, size_t len,
		    const struct request *rq)
{
	enum kv_type type;
	bool local;

	if (!node_is_field(n))
		return -EOPNOTSUPP;
	if (kv_type_parse(value, len, &type) < 0)
		return err_set(rq->err, EINVAL,
			       "a type is string, number, boolean, null, object or array");
	lock_acquire(&t->lock);
	local = n->local;
	if (local)
		field_of(n)->type = type;
	lock_release(&t->lock);
	return local ? 0 : change_type(t, field_of(n), type, rq);
}

static const struct settable {
	const char *name;
	/* NULL: accepted and ignored, since cp -a and rsync -X bring along what they have read. */
	int (*set)(struct tree *t, struct node *n, const char *value, size_t len,
		   const struct request *rq);
} settables[] = {
	{"user.vault.path", NULL},     {"user.vault.field", NULL},
	{"user.vault.version", NULL},  {"user.vault.created_time", NULL},
	{"user.vault.state", NULL},    {"user.vault.source", NULL},
	{"user.vault.age", NULL},      {"user.vault.cas", set_cas},
	{"user.vault.type", set_type},
};

/* The secret that a setting is of; NULL: none. */
static struct dir *secret_of(struct tree *t, struct node *n)
{
	struct dir *d = node_is_dir(n)	   ? dir_of(n)
			: node_is_field(n) ? field_dir(field_of(n))
					   : NULL;

	return d && dir_holds_fields(t, d) ? d : NULL;
}

/* `value` NULL: the key is removed. */
static cJSON *custom_patch(const char *key, const char *value)
{
	_cleanup_json_ cJSON *patch = cJSON_CreateObject();
	cJSON *custom = cJSON_AddObjectToObject(patch, "custom_metadata");
	cJSON *item = value ? json_new_string(value, strlen(value)) : cJSON_CreateNull();

	return custom && json_add(custom, key, strlen(key), item) == 0 ? steal(patch) : NULL;
}

static int set_custom(struct tree *t, struct node *n, const char *key, const char *value, int flags,
		      const struct request *rq)
{
	struct dir *d = secret_of(t, n);
	_cleanup_free_ char *old = NULL;
	_cleanup_free_ char *attribute = NULL;
	size_t count;
	int r;

	if (!d)
		return -EOPNOTSUPP;
	r = rights_whole(t, d, rq->caller, W_OK, rq->err);
	if (r < 0)
		return r;
	if (asprintf(&attribute, SETTINGS_CUSTOM "%s", key) < 0)
		return err_set(rq->err, ENOMEM, "no memory");
	lock_acquire(&t->lock);
	r = settings_text_locked(t, d, attribute, rq->ask, &old, rq->err);
	count = old ? 0 : settings_count_locked(t, d);
	lock_release(&t->lock);
	if (r == PARKED)
		return r;
	if (r == -ENODATA && (!value || (flags & XATTR_REPLACE)))
		return r;
	if (r == 0 && (flags & XATTR_CREATE))
		return -EEXIST;
	r = value ? metadata_check_custom(key, value, count, rq->err) : 0;
	return r < 0 ? r : metadata_change(t, d, custom_patch(key, value), rq);
}

static cJSON *setting_value(const struct setting *s, const char *value)
{
	int64_t number;

	switch (s->type) {
	case SETTING_NUMBER:
		if (parse_number(value, strlen(value), &number) < 0 || number > METADATA_NUMBER_MAX)
			return NULL;
		return json_new_raw(value, strlen(value));
	case SETTING_BOOLEAN:
		if (!strcmp(value, "true"))
			return cJSON_CreateTrue();
		return strcmp(value, "false") == 0 ? cJSON_CreateFalse() : NULL;
	default:
		return *value && metadata_is_printable(value)
			       ? json_new_string(value, strlen(value))
			       : NULL;
	}
}

static int set_setting(struct tree *t, struct node *n, const struct setting *s, const char *value,
		       const struct request *rq)
{
	_cleanup_json_ cJSON *patch = cJSON_CreateObject();
	struct dir *d = secret_of(t, n);
	cJSON *item = d ? setting_value(s, value) : NULL;
	int r;

	if (!d)
		return -EOPNOTSUPP;
	r = rights_whole(t, d, rq->caller, W_OK, rq->err);
	if (r < 0) {
		cJSON_Delete(item);
		return r;
	}
	if (!item)
		return err_set(rq->err, EINVAL, "%s cannot be that", s->name);
	if (json_add(patch, s->name, strlen(s->name), item) < 0)
		return err_set(rq->err, ENOMEM, "no memory");
	return metadata_change(t, d, steal(patch), rq);
}

static const struct settable *settable_of(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(settables); i++)
		if (!strcmp(settables[i].name, name))
			return &settables[i];
	return NULL;
}

static int set_xattr(struct tree *t, struct node *node, const char *name, const char *value,
		     size_t len, int flags, const struct request *rq)
{
	const struct settable *s = settable_of(name);
	const struct setting *setting = settings_find(name);
	const char *key = settings_custom_key(name);
	int r;

	if (!s && !setting && !key)
		return -EOPNOTSUPP;
	if ((s && !s->set) || node_is_scratch(node))
		return 0;
	r = tree_permit(t, node, rq->caller, W_OK);
	if (r < 0)
		return r;
	if (s)
		return s->set(t, node, value, len, rq);
	return key ? set_custom(t, node, key, value, flags, rq)
		   : set_setting(t, node, setting, value, rq);
}

/* A removed field's are those of the one that has its name. */
static int find_stand_in(struct tree *t, struct node *node, const struct request *rq,
			 struct node **out)
{
	LOCK_SCOPE(&t->lock);

	*out = NULL;
	return field_stand_in_locked(t, node, rq->ask, out);
}

int edit_setxattr(struct tree *t, struct node *node, const char *name, const char *value,
		  size_t len, int flags, const struct request *rq)
{
	struct node *now;
	int r = find_stand_in(t, node, rq, &now);

	if (r == 0)
		r = set_xattr(t, now, name, value, len, flags, rq);
	names_drop(t, now);
	return r;
}

static int remove_xattr(struct tree *t, struct node *node, const char *name,
			const struct request *rq)
{
	const char *key = settings_custom_key(name);
	int r;

	if (!strcmp(name, "user.vault.cas") && !node_is_scratch(node)) {
		r = tree_permit(t, node, rq->caller, W_OK);
		return r < 0 ? r : unset_cas(t, node, rq);
	}
	if (!key) /* rsync -X removes what the other side has not */
		return settable_of(name) ? 0 : -EOPNOTSUPP;
	if (node_is_scratch(node))
		return -ENODATA;
	r = tree_permit(t, node, rq->caller, W_OK);
	return r < 0 ? r : set_custom(t, node, key, NULL, 0, rq);
}

int edit_removexattr(struct tree *t, struct node *node, const char *name, const struct request *rq)
{
	struct node *now;
	int r = find_stand_in(t, node, rq, &now);

	if (r == 0)
		r = remove_xattr(t, now, name, rq);
	names_drop(t, now);
	return r;
}

static void unlocal(struct tree *t, struct node *n)
{
	LOCK_SCOPE(&t->lock);

	node_unlocal_locked(t, n);
}

/* The draft that is cut in the file's place, referenced: a later write through its descriptor would
 * else put back what was cut off. NULL: none, or one that takes the new content by itself. */
static struct draft *draft_to_cut(struct tree *t, struct node *node, const struct request *rq)
{
	struct draft *d = writing_draft_of(t, node, rq->caller->pid);
	bool untouched;

	if (!d)
		return NULL;
	LOCK_SCOPE(&t->lock);
	lock_acquire(&d->lock);
	untouched = draft_is_untouched_locked(d);
	lock_release(&d->lock);
	if (!untouched)
		return d;
	draft_put_locked(d);
	return NULL;
}

/* Takes the reference. Called again after PARKED it finds the draft cut. */
static int resize_draft(struct tree *t, struct node *node, struct draft *d, size_t size,
			const struct request *rq)
{
	int r = draft_size(d) == size ? -draft_failure(d) : draft_truncate(d, size);

	if (r == 0)
		r = closing_commit(t, node, d, false, rq);
	LOCK_SCOPE(&t->lock);
	draft_put_locked(d);
	return r;
}

static int resize_found(struct tree *t, struct node *node, size_t size, const struct request *rq)
{
	_cleanup_object_ struct kv_version *base = NULL, *made = NULL;
	_cleanup_buf_ struct buf text = {0};
	struct commit c = {.blind = size == 0};
	struct draft *own;
	struct target at;
	int r = tree_permit(t, node, rq->caller, W_OK);

	if (r < 0)
		return permit_refused(rq->err, r);
	if (node_is_scratch(node))
		return draft_truncate(scratch_of(node)->draft, size);
	lock_acquire(&t->lock);
	at = target_of_locked(node);
	lock_release(&t->lock);
	if (!at.kind)
		return permit_refused(rq->err, -EROFS);
	if (at.kind->obey)
		return at.kind->obey(t, rq);
	if (target_is_apart(&at))
		return err_set(rq->err, EINVAL, "%s cannot be cut to a size", node->name);
	if (size > target_max(t, &at))
		return err_set(rq->err, EFBIG, "%zu bytes are more than max_size", size);
	own = draft_to_cut(t, node, rq);
	if (own)
		return resize_draft(t, node, own, size, rq);
	r = change_begin(t, at.dir, rq, false, &base, &c.cas);
	if (r != 0)
		return r;
	r = target_permit(t, &at, base, rq->err);
	if (r == 0 && (node->gone || !(node->local || target_shows(t, &at, base))))
		r = err_set(rq->err, ENOENT, "%s is not there any more", node->name);
	if (r == 0)
		r = target_print_shown(t, &at, base, &text);
	if (r == 0 && text.len != size) {
		c.base = base;
		buf_resize(&text, size);
		r = target_commit(t, &at, &text, &c, rq, &made);
	}
	if (r == 0 && made)
		unlocal(t, node);
	commit_end(t, at.dir);
	return r;
}

int edit_resize(struct tree *t, struct node *node, size_t size, const struct request *rq)
{
	struct node *found;
	int r = names_find_again(t, node, rq, &found);

	if (r == 0)
		r = resize_found(t, found, size, rq);
	names_drop(t, found);
	return r;
}

void edit_set_times(struct tree *t, struct node *node, const struct timespec times[2])
{
	LOCK_SCOPE(&t->lock);

	if (node_is_dir(node))
		dir_times_set(&dir_of(node)->times, times, clock_wall(), t->started);
}
