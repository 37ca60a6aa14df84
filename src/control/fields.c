// SPDX-License-Identifier: Apache-2.0
/* Fields by their names alone. Their nodes are children of the secret's directory like those that have
 * their names there, so that all that holds for fields holds for them: drafts, draining, notices. Their
 * names differ by slashes, which no look-up in the directory can ask for, and which make the paths in
 * logs and notices right. */

#include "control/fields.h"

#include "node/name.h"
#include "tree/control_dir.h"
#include "tree/field.h"
#include "tree/layered.h"
#include "tree/listing.h"

#include <errno.h>

int fields_lookup_locked(struct tree *t, struct node *n, const char *name, const struct ask *ask,
			 struct node **child, uint64_t *ttl, struct err *err)
{
	LOCK_HELD(&t->lock);
	_cleanup_object_ struct kv_version *v = NULL;
	struct fields_key key = fields_key_of(name);
	struct dir *d = control_owner(n);
	struct node *known = node_child_locked(n, name);
	char raw[NAME_BYTES_MAX + 1];
	struct field *f;
	int len, r;

	*ttl = 0;
	if (!known || !known->local)
		known = node_child_locked(&d->node, key.text);
	if (known && known->local) {
		*child = node_use_locked(known);
		return 0;
	}
	len = name_unescape(name, raw);
	if (len < 0)
		return -ENOENT;
	r = layered_version_locked(t, d, ask, &v, ttl, err);
	*ttl = 0;
	if (r != 0)
		return r;
	if (!dir_shows_field_locked(d, v, raw, (size_t)len))
		return -ENOENT;
	f = field_child_locked(t, d, key.text, raw, (size_t)len);
	if (!f || field_fix_locked(t, f, v) < 0) {
		if (f)
			node_unuse_locked(t, &f->node);
		return err_set(err, ENOMEM, "no memory for a file");
	}
	*child = &f->node;
	return 0;
}

int fields_list_locked(struct tree *t, struct node *n, const struct ask *ask, struct listing *to,
		       struct err *err)
{
	LOCK_HELD(&t->lock);
	_cleanup_object_ struct kv_version *v = NULL;
	struct dir *d = control_owner(n);
	struct node *child, *next;
	char name[NAME_BYTES_MAX + 1];
	uint64_t ttl;
	int r = tree_settle_locked(t, &d->node, ask);

	if (r == 0)
		r = layered_version_locked(t, d, ask, &v, &ttl, err);
	for (size_t i = 0; r == 0 && i < v->count; i++) {
		const struct kv_field *f = &v->fields[i];

		if (name_escape(f->name, f->name_len, name) >= 0 &&
		    dir_shows_field_locked(d, v, f->name, f->name_len))
			r = listing_add(to, name, false,
					field_ino_now_locked(d, f->name, f->name_len));
	}
	HASH_ITER (hh, d->node.children, child, next) {
		struct field *f = field_of(child);

		if (r == 0 && child->local && fields_name(child->name) &&
		    !kv_version_field(v, f->raw, f->raw_len))
			r = listing_add(to, fields_name(child->name), false, child->ino);
	}
	return r;
}

const char *fields_writes(const struct node *n, unsigned *any, bool *below)
{
	*any = KV_CREATE | KV_UPDATE | KV_PATCH;
	return control_owner(n->parent)->path;
}
