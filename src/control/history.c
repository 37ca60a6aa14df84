// SPDX-License-Identifier: Apache-2.0
/* History: a directory a version, a file a field. The values of a version never change, so that they
 * are asked for once; whether it still may be read is the metadata's matter, which is asked for more
 * often. A token that may not read metadata cannot list the numbers, but look them up. */

#include "control/history.h"

#include "base/clock.h"
#include "base/json.h"
#include "node/name.h"
#include "control/content.h"
#include "tree/control_dir.h"
#include "tree/listing.h"
#include "tree/dir_traits.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DIGITS_MAX 18

int history_parse_number(const char *text, int64_t *number)
{
	size_t len = strlen(text);

	if (!len || len > DIGITS_MAX || text[0] == '0' || text[strspn(text, "0123456789")])
		return -EINVAL;
	*number = strtoll(text, NULL, 10);
	return 0;
}

static int no_version(int64_t number, struct err *err)
{
	return err_set(err, ENOENT, "there is no version %" PRId64, number);
}

static int metadata_locked(struct tree *t, struct dir *d, const struct ask *ask,
			   struct object **out, struct err *err)
{
	LOCK_HELD(&t->lock);

	if (!dir_may_be_secret(d))
		return err_set(err, ENOENT, "there is no secret");
	if (dir_traits(t, d) & KV_FLAT)
		return err_set(err, EOPNOTSUPP, "the engine keeps no versions");
	return cache_get(t->config.cache, TREE_METADATA, d->path, ask, out, NULL, err);
}

static int values_locked(struct tree *t, struct dir *d, int64_t number,
			 const struct kv_version *known, const struct ask *ask,
			 struct kv_version **out, struct err *err)
{
	LOCK_HELD(&t->lock);
	_cleanup_free_ char *key = source_version_key(d->path, number, known ? known->created : 0);
	uint64_t now = clock_mono();
	struct ask strict = *ask;
	struct object *o = NULL;
	int r;

	/* Without the metadata nothing else tells whether it was deleted. */
	if (!known && now > t->config.negative_ttl)
		strict.since = now - t->config.negative_ttl;
	r = key ? cache_get(t->config.cache, TREE_VERSION, key, &strict, &o, NULL, err)
		: err_set(err, ENOMEM, "no memory");
	if (r != 0)
		return r;
	*out = container_of(o, struct kv_version, object);
	if ((*out)->state != KV_ABSENT)
		return 0;
	object_put(steal(*out));
	return no_version(number, err);
}

int history_get_locked(struct tree *t, struct dir *d, int64_t number, bool values,
		       const struct ask *ask, struct kv_version **out, struct err *err)
{
	LOCK_HELD(&t->lock);
	_cleanup_object_ struct object *metadata = NULL;
	_cleanup_object_ struct kv_version *known = NULL;
	_cleanup_free_ char *key = NULL;
	int r = metadata_locked(t, d, ask, &metadata, err);

	if (r == -EACCES)
		return values_locked(t, d, number, NULL, ask, out, err);
	if (r != 0)
		return r;
	r = kv_version_from_metadata(container_of(metadata, struct tree_json, object)->json, number,
				     &known);
	if (r < 0)
		return r == -ENOENT ? no_version(number, err) : err_set(err, ENOMEM, "no memory");
	if (values && known->state == KV_LIVE)
		return values_locked(t, d, number, known, ask, out, err);
	/* The content of a deleted version must not be kept. */
	if (known->state != KV_LIVE)
		key = source_version_key(d->path, number, known->created);
	if (key)
		cache_drop(t->config.cache, TREE_VERSION, key);
	*out = steal(known);
	return 0;
}

/* `raw` NULL: the directory of a version. */
static struct node *past_locked(struct node *parent, const char *name, int64_t number,
				const char *raw, size_t raw_len, uint64_t ino)
{
	LOCK_HELD_NAMED(LOCK_TREE);
	struct node *known = node_child_locked(parent, name);
	struct past *p;

	if (known)
		return node_use_locked(known);
	p = calloc(1, sizeof(*p));
	if (p && raw) {
		p->raw = malloc(raw_len + 1);
		p->raw_len = raw_len;
		if (p->raw)
			memcpy(p->raw, raw, raw_len + 1);
	}
	if (!p || (raw && !p->raw) ||
	    node_init_locked(&p->node, raw ? &past_field_type : &past_version_type, parent, name,
			     ino) < 0) {
		if (p)
			free(p->raw);
		free(p);
		return NULL;
	}
	p->number = number;
	return &p->node;
}

static uint64_t version_ino(const struct dir *d, const char *number)
{
	_cleanup_free_ char *name = NULL;

	return asprintf(&name, "versions/%s", number) < 0 ? 2 : control_ino(d, name);
}

static uint64_t past_field_ino(const struct dir *d, int64_t number, const char *name)
{
	_cleanup_free_ char *path = NULL;

	return asprintf(&path, "versions/%" PRId64 "/%s", number, name) < 0 ? 2
									    : control_ino(d, path);
}

int versions_lookup_locked(struct tree *t, struct node *n, const char *name, const struct ask *ask,
			   struct node **child, uint64_t *ttl, struct err *err)
{
	LOCK_HELD(&t->lock);
	_cleanup_object_ struct kv_version *v = NULL;
	struct dir *d = control_owner(n);
	int64_t number;
	int r;

	*ttl = 0;
	if (history_parse_number(name, &number) < 0)
		return -ENOENT;
	r = history_get_locked(t, d, number, false, ask, &v, err);
	if (r != 0)
		return r;
	*child = past_locked(n, name, number, NULL, 0, version_ino(d, name));
	return *child ? 0 : err_set(err, ENOMEM, "no memory");
}

int versions_list_locked(struct tree *t, struct node *n, const struct ask *ask, struct listing *to,
			 struct err *err)
{
	LOCK_HELD(&t->lock);
	_cleanup_object_ struct object *o = NULL;
	struct dir *d = control_owner(n);
	int r = tree_settle_locked(t, &d->node, ask);
	const cJSON *rows;
	int64_t number;

	if (r == 0)
		r = metadata_locked(t, d, ask, &o, err);
	if (r != 0)
		return r == -ENOENT ? 0 : r;
	rows = json_get(container_of(o, struct tree_json, object)->json, "versions");
	for (const cJSON *row = rows ? rows->child : NULL; row && r == 0; row = row->next)
		if (row->string && history_parse_number(row->string, &number) == 0)
			r = listing_add(to, row->string, true, version_ino(d, row->string));
	return r;
}

static int version_lookup_locked(struct tree *t, struct node *n, const char *name,
				 const struct ask *ask, struct node **child, uint64_t *ttl,
				 struct err *err)
{
	LOCK_HELD(&t->lock);
	_cleanup_object_ struct kv_version *v = NULL;
	struct dir *d = control_owner(n);
	char raw[NAME_BYTES_MAX + 1];
	int len = name_unescape(name, raw), r;

	*ttl = 0;
	if (len < 0)
		return -ENOENT;
	r = history_get_locked(t, d, past_of(n)->number, true, ask, &v, err);
	if (r != 0)
		return r;
	if (!kv_version_field(v, raw, (size_t)len))
		return -ENOENT;
	*child = past_locked(n, name, past_of(n)->number, raw, (size_t)len,
			     past_field_ino(d, past_of(n)->number, name));
	return *child ? 0 : err_set(err, ENOMEM, "no memory");
}

static int version_list_locked(struct tree *t, struct node *n, const struct ask *ask,
			       struct listing *to, struct err *err)
{
	LOCK_HELD(&t->lock);
	_cleanup_object_ struct kv_version *v = NULL;
	struct dir *d = control_owner(n);
	char name[NAME_BYTES_MAX + 1];
	int r = history_get_locked(t, d, past_of(n)->number, true, ask, &v, err);

	for (size_t i = 0; r == 0 && i < v->count; i++)
		if (name_escape(v->fields[i].name, v->fields[i].name_len, name) >= 0)
			r = listing_add(to, name, false,
					past_field_ino(d, past_of(n)->number, name));
	return r;
}

static int version_attr_locked(struct tree *t, struct node *n, const struct ask *ask,
			       struct stat *attr, uint64_t *ttl, struct err *err)
{
	LOCK_HELD(&t->lock);
	_cleanup_object_ struct kv_version *v = NULL;
	int r = history_get_locked(t, control_owner(n), past_of(n)->number, false, ask, &v, err);

	*ttl = 0;
	if (r == 0)
		attr->st_mtim = clock_timespec(v->created);
	return r;
}

/* The field's entry; `v` is the caller's. */
static int entry_locked(struct tree *t, struct node *n, const struct ask *ask,
			struct kv_version **v, const struct kv_field **entry, struct err *err)
{
	LOCK_HELD(&t->lock);
	const struct past *p = past_of(n);
	int r = history_get_locked(t, control_owner(n), p->number, true, ask, v, err);

	if (r != 0)
		return r;
	*entry = kv_version_field(*v, p->raw, p->raw_len);
	return *entry ? 0 : err_set(err, ENOENT, "version %" PRId64 " is deleted", p->number);
}

static int past_field_attr_locked(struct tree *t, struct node *n, const struct ask *ask,
				  struct stat *attr, uint64_t *ttl, struct err *err)
{
	LOCK_HELD(&t->lock);
	_cleanup_object_ struct kv_version *v = NULL;
	const struct kv_field *entry;
	int r = entry_locked(t, n, ask, &v, &entry, err);

	*ttl = 0;
	if (r != 0)
		return r;
	attr->st_size = (off_t)entry->len;
	attr->st_mtim = clock_timespec(v->created);
	return 0;
}

static int past_field_content_locked(struct tree *t, struct node *n, const struct ask *ask,
				     struct content *out, struct err *err)
{
	LOCK_HELD(&t->lock);
	_cleanup_object_ struct kv_version *v = NULL;
	const struct kv_field *entry;
	int r = entry_locked(t, n, ask, &v, &entry, err);

	if (r != 0)
		return r;
	*out = (struct content){.bytes = entry->text, .len = entry->len};
	out->object = (struct object *)steal(v);
	return 0;
}

static void past_free(struct tree *t, struct node *n)
{
	free(past_of(n)->raw);
	free(past_of(n));
}

const struct node_type past_version_type = {
	.format = S_IFDIR,
	.control = true,
	.lookup_locked = version_lookup_locked,
	.attr_locked = version_attr_locked,
	.list_locked = version_list_locked,
	.free = past_free,
};

static void past_access_locked(const struct tree *t, const struct node *n, struct access *a)
{
	LOCK_HELD(&t->lock);
	const struct past *p = container_of(n, const struct past, node);

	rule_access(rules_of_field(&t->config.rules, control_owner(n->parent)->path, p->raw), a);
}

const struct node_type past_field_type = {
	.format = S_IFREG,
	.control = true,
	.access_locked = past_access_locked,
	.attr_locked = past_field_attr_locked,
	.content_locked = past_field_content_locked,
	.free = past_free,
};
