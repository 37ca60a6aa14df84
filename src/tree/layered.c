// SPDX-License-Identifier: Apache-2.0
/* The layers in the tree.
 *
 *      lookup    first: env=override, env=only -> the server -> last: environment, defaults
 *      listing   the server's, with the rows of map and defaults
 *      value     as looked up
 *
 * The server's own answers, on which commits are based, pass by here untouched. */

#include "tree/layered.h"

#include "base/clock.h"
#include "base/log.h"
#include "tree/field.h"
#include "vault/reply.h"

#include <errno.h>
#include <string.h>

static int no_memory(struct err *err)
{
	return err_set(err, ENOMEM, "no memory");
}

static int take_field_locked(struct tree *t, struct dir *d, const struct wanted *w,
			     struct node **child, struct err *err)
{
	LOCK_HELD(&t->lock);
	struct field *f = field_child_locked(t, d, w->name, w->raw, w->len);

	if (!f)
		return no_memory(err);
	*child = &f->node;
	return 0;
}

static int take_dir_locked(struct tree *t, struct dir *d, const struct wanted *w, uint64_t ttl,
			   struct node **child, struct err *err)
{
	LOCK_HELD(&t->lock);
	struct dir *c = dir_child_locked(t, &d->node, w->name, w->raw);

	if (!c)
		return no_memory(err);
	c->kinds = LAYER_ENTRY;
	c->kinds_until = clock_mono() + ttl;
	*child = &c->node;
	return 0;
}

static bool is_directory(const struct tree *t, const struct dir *d, const struct wanted *w)
{
	_cleanup_free_ char *path = w->component ? dir_child_path(d->path, w->raw) : NULL;

	return path && layers_directory(t->config.layers, path);
}

int layered_first_locked(struct tree *t, struct dir *d, const struct wanted *w,
			 const struct ask *ask, struct node **child, uint64_t *ttl, struct err *err)
{
	LOCK_HELD(&t->lock);
	_cleanup_object_ struct kv_list *list = NULL;
	bool listed;
	int r;

	if (!layers_first(t->config.layers, d->path, w->raw, w->len, &listed) ||
	    is_directory(t, d, w))
		return -ENOENT;
	/* What no row names may be in the environment by chance: it hides no directory. */
	if (!listed && w->component) {
		r = dir_list_locked(t, d, ask, &list, ttl, NULL);
		if (r == PARKED)
			return r;
		if (r == 0 && kv_list_find(list, w->raw))
			return -ENOENT;
	}
	*ttl = t->config.ttl;
	return take_field_locked(t, d, w, child, err);
}

int layered_last_locked(struct tree *t, struct dir *d, const struct wanted *w, int r,
			const struct ask *ask, struct node **child, uint64_t *ttl, struct err *err)
{
	LOCK_HELD(&t->lock);
	uint64_t held = r == -ENOENT ? t->config.negative_ttl : 0;
	struct kv_field field;

	if (!t->config.layers || r == 0 || r == PARKED || (r != -ENOENT && !reply_is_outage(-r)))
		return r;
	if (is_directory(t, d, w)) {
		*ttl = held;
		return take_dir_locked(t, d, w, held, child, err);
	}
	if (layers_field(t->config.layers, d->path, w->raw, w->len, &field) != LAYER_NONE) {
		*ttl = held;
		return take_field_locked(t, d, w, child, err);
	}
	if (r != -ENOENT)
		layered_unanswered_locked(t, d, w->raw, w->len, ask, err);
	return r;
}

/* Whether there is something to show where the server has failed with `r`. */
static bool stands_in(const struct tree *t, const struct dir *d, int r)
{
	return r < 0 && reply_is_outage(-r) && layers_directory(t->config.layers, d->path);
}

int layered_list_locked(struct tree *t, struct dir *d, const struct ask *ask, struct kv_list **out,
			uint64_t *ttl, struct err *err)
{
	LOCK_HELD(&t->lock);
	int r = dir_list_locked(t, d, ask, out, ttl, err);

	if (stands_in(t, d, r)) {
		*ttl = 0;
		r = kv_list_parse(NULL, out) < 0 ? no_memory(err) : 0;
	}
	if (r != 0 || !t->config.layers)
		return r;
	*out = layers_list(t->config.layers, d->path, *out, &d->layered_list);
	return *out ? 0 : no_memory(err);
}

int layered_version_locked(struct tree *t, struct dir *d, const struct ask *ask,
			   struct kv_version **out, uint64_t *ttl, struct err *err)
{
	LOCK_HELD(&t->lock);
	int r = dir_version_locked(t, d, ask, out, ttl, err);

	if (stands_in(t, d, r)) {
		*ttl = 0;
		*out = kv_version_empty(KV_ABSENT, 0);
		r = *out ? 0 : no_memory(err);
	}
	if (r != 0 || !t->config.layers)
		return r;
	*out = layers_version(t->config.layers, d->path, *out, &d->layered_version);
	return *out ? 0 : no_memory(err);
}

enum layer_origin layered_field(const struct tree *t, const struct field *f, int r,
				struct kv_field *out)
{
	const char *path = field_dir((struct field *)f)->path;
	bool listed;

	if (!t->config.layers || (r != 0 && r != -ENOENT && !reply_is_outage(-r)))
		return LAYER_NONE;
	if (r == 0 && !layers_first(t->config.layers, path, f->raw, f->raw_len, &listed))
		return LAYER_NONE;
	return layers_field(t->config.layers, path, f->raw, f->raw_len, out);
}

bool layered_has(const struct tree *t, const struct field *f)
{
	struct kv_field field;

	return layered_field(t, f, -ENOENT, &field) != LAYER_NONE;
}

void layered_unanswered_locked(struct tree *t, const struct dir *d, const char *raw, size_t len,
			       const struct ask *ask, struct err *err)
{
	LOCK_HELD(&t->lock);
	_cleanup_free_ char *path = dir_child_path(d->path, raw);
	struct failure told = {.uid = ask->uid, .path = path, .dirs = {d->path}, .names = true};

	if (!err || !t->config.layers)
		return;
	layers_explain(t->config.layers, d->path, raw, len, err);
	/* One that is asked for again and again is told once. */
	if (!path || failures_has_just(&t->failures, path, err))
		return;
	failures_add(&t->failures, &told, err);
	log_warning("nothing has answered", F_STR("path", path), F_INT("uid", ask->uid),
		    F_ERR(err));
}

static int read_only(const char *name, struct err *err)
{
	return err_set(err, EROFS, "%s is not the server's: the environment or defaults hold it",
		       name);
}

int layered_permit(const struct tree *t, const struct dir *d, const char *raw, size_t len,
		   struct err *err)
{
	bool listed;

	return layers_first(t->config.layers, d->path, raw, len, &listed) ? read_only(raw, err) : 0;
}

int layered_permit_removal(const struct tree *t, const struct field *f,
			   const struct kv_version *base, struct err *err)
{
	int r = layered_permit(t, field_dir((struct field *)f), f->raw, f->raw_len, err);

	if (r == 0 && !kv_version_field(base, f->raw, f->raw_len) && layered_has(t, f))
		r = read_only(f->node.name, err);
	return r;
}

int layered_permit_document(struct tree *t, struct dir *d, struct kv_version *base, struct err *err)
{
	_cleanup_object_ struct kv_version *shown = NULL;
	struct layer_memo memo = {0};

	if (!t->config.layers)
		return 0;
	shown = layers_version(t->config.layers, d->path, object_ref(base), &memo);
	layer_memo_fini(&memo);
	if (!shown)
		return no_memory(err);
	return shown == base
		       ? 0
		       : err_set(err, EROFS,
				 "data.json shows fields that are not the server's: write the "
				 "fields one by one");
}
