// SPDX-License-Identifier: Apache-2.0
/* Open files that are read. A reader goes through the kernel's pages, and then counts: a new version
 * waits for it a little. While a file is being written the kernel's idea of its size is the writer's,
 * so that readers get a copy of their own and no pages. */

#include "tree/dir_traits.h"
#include "tree/open.h"

#include "base/metric.h"
#include "node/fixed.h"
#include "event/feed.h"
#include "tree/last_close.h"
#include "tree/latest.h"

#include <errno.h>
#include <utlist.h>

static int check_locked(struct tree *t, struct node *n, const struct ask *ask)
{
	LOCK_HELD(&t->lock);
	int r;

	if (n->gone)
		return -ENOENT;
	r = last_close_wait_locked(t, n, ask);
	if (r != 0 || !node_is_field(n))
		return r;
	return shown_wait_steady(&field_dir(field_of(n))->shown, ask);
}

static void count_locked(struct handle *h, bool by_pages)
{
	LOCK_HELD_NAMED(LOCK_TREE);
	struct field *f;

	if (!node_is_field(h->node) || !h->content.object)
		return;
	f = field_of(h->node);
	h->cached = by_pages && f->node.writers == 0;
	if (h->cached)
		f->node.cached++;
	h->counted = true;
	latest_opened_locked(f, container_of(h->content.object, struct kv_version, object));
}

struct handle *handle_new_locked(struct tree *t, struct node *n)
{
	LOCK_HELD(&t->lock);
	struct handle *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->node = node_use_locked(n);
	DL_APPEND2(t->handles, h, before, after);
	metric_move(METRIC_HANDLES, 1);
	return h;
}

void handle_free_locked(struct tree *t, struct handle *h)
{
	LOCK_HELD(&t->lock);

	DL_DELETE2(t->handles, h, before, after);
	metric_move(METRIC_HANDLES, -1);
	object_put(h->content.object);
	node_unuse_locked(t, h->node);
	free(h);
}

static int content_locked(struct tree *t, struct node *node, const struct ask *ask,
			  struct content *content, struct err *err)
{
	LOCK_HELD(&t->lock);
	int r = check_locked(t, node, ask);

	if (r == 0)
		r = node->type->content_locked(t, node, ask, content, err);
	if (r != 0)
		return r;
	/* The question may have brought to light a newer version, that is on its way now. */
	r = check_locked(t, node, ask);
	if (r != 0)
		object_put(content->object);
	return r;
}

static void reader_end(struct feed_reader **r)
{
	if (*r)
		feed_close(*r);
}

/* A removed field is opened as that which has its name now. The kernel has pages of the one and is told
 * of the other: so they are not used. */
static int open_locked(struct tree *t, struct node *node, const struct ask *ask,
		       struct handle **out, struct err *err)
{
	LOCK_HELD(&t->lock);
	struct content content;
	struct handle *h;
	struct node *now;
	int r = field_find_again_locked(t, node, ask, &now, err);

	if (r != 0)
		return r;
	r = content_locked(t, now, ask, &content, err);
	if (r == 0) {
		h = handle_new_locked(t, now);
		if (h) {
			h->content = content;
			count_locked(h, now == node);
		} else {
			object_put(content.object);
			r = err_set(err, ENOMEM, "no memory for a file");
		}
		*out = h;
	}
	node_unuse_locked(t, now);
	return r;
}

int tree_open(struct tree *t, struct node *node, const struct caller *caller, const struct ask *ask,
	      struct handle **out, bool *direct, struct err *err)
{
	_cleanup_(reader_end) struct feed_reader *reader = NULL;
	int r = tree_permit(t, node, caller, R_OK);

	if (r < 0)
		return permit_refused(err, r);
	if (node->type->open)
		r = node->type->open(t, caller, &reader, err);
	if (r < 0)
		return r;
	LOCK_SCOPE(&t->lock);
	r = tree_settle_locked(t, node, ask);
	if (r == 0)
		r = open_locked(t, node, ask, out, err);
	if (r != 0)
		return r;
	(*out)->reader = steal(reader);
	*direct = !(*out)->cached;
	return 0;
}

static int current_locked(const struct handle *h, struct content *c)
{
	LOCK_HELD_NAMED(LOCK_TREE);
	struct field *f;
	const struct shown *s;
	const struct kv_field *now;

	*c = h->content;
	if (!h->counted)
		return 0;
	f = field_of(h->node);
	s = &field_dir(f)->shown;
	if (s->refused)
		return -s->refused;
	if (!h->cached || h->node->gone || !s->version)
		return 0;
	now = kv_version_field(s->version, f->raw, f->raw_len);
	if (now)
		*c = (struct content){&s->version->object, now->text, now->len};
	return 0;
}

static struct content part_of(const struct content *c, size_t offset, size_t size)
{
	size_t at = offset < c->len ? offset : c->len;

	return (struct content){.object = c->object,
				.bytes = c->bytes + at,
				.len = c->len - at < size ? c->len - at : size};
}

int tree_read(struct tree *t, struct handle *h, size_t offset, size_t size, const char **bytes,
	      size_t *len, struct object **pin)
{
	LOCK_SCOPE(&t->lock);
	struct content c;
	int r = current_locked(h, &c);

	if (r < 0)
		return r;
	c = part_of(&c, offset, size);
	*bytes = c.bytes;
	*len = c.len;
	*pin = object_ref(c.object);
	return 0;
}

/* A field of a version that is not held any more. */
static int fetch_again_locked(struct tree *t, struct field *f, const struct ask *ask,
			      struct kv_version **v, struct err *err)
{
	LOCK_HELD(&t->lock);
	const struct fixed *fixed = f->node.fixed;
	struct dir *d = field_dir(f);
	_cleanup_free_ char *key = source_version_key(d->path, fixed->number, fixed->created);
	struct object *o = NULL;
	uint64_t ttl;
	int r = latest_get_locked(t, d, ask, v, &ttl, err);

	if (r != 0)
		return r;
	if ((*v)->number == fixed->number && (*v)->created == fixed->created)
		return 0;
	object_put(steal(*v));
	if ((dir_traits(t, d) & KV_FLAT) || !key)
		return err_set(err, EIO, "the server has no versions, and that of %s is over",
			       f->node.name);
	r = cache_get(t->config.cache, TREE_VERSION, key, ask, &o, NULL, err);
	*v = (struct kv_version *)o;
	return r;
}

static int fixed_content_locked(struct tree *t, struct node *n, const struct ask *ask,
				struct content *out, struct err *err)
{
	LOCK_HELD(&t->lock);
	_cleanup_object_ struct kv_version *v = NULL;
	const struct kv_field *entry;
	struct field *f;
	int r;

	if (!n->fixed)
		return err_set(err, EOPNOTSUPP, "%s cannot be read with fast_open", n->name);
	if (node_is_field(n) && field_dir(field_of(n))->shown.refused)
		return -field_dir(field_of(n))->shown.refused;
	*out = n->fixed->content;
	object_ref(out->object);
	if (out->bytes) /* a layer's bytes need no keeping */
		return 0;
	if (!node_is_field(n))
		return n->type->content_locked(t, n, ask, out, err);
	f = field_of(n);
	r = fetch_again_locked(t, f, ask, &v, err);
	if (r != 0)
		return r;
	entry = kv_version_field(v, f->raw, f->raw_len);
	if (!entry || entry->len != n->fixed->len)
		return err_set(err, EIO, "the version of %s that was looked up is gone", n->name);
	*out = (struct content){.bytes = entry->text, .len = entry->len};
	out->object = (struct object *)steal(v);
	return 0;
}

int tree_read_fixed(struct tree *t, struct node *n, size_t offset, size_t size,
		    const struct ask *ask, struct content *out, struct err *err)
{
	LOCK_SCOPE(&t->lock);
	int r = fixed_content_locked(t, n, ask, out, err);

	if (r == 0)
		*out = part_of(out, offset, size);
	return r;
}

struct feed_reader *tree_reader(const struct handle *h)
{
	return h->reader;
}

void tree_release(struct tree *t, struct handle *h)
{
	if (h->reader)
		feed_close(h->reader);
	LOCK_SCOPE(&t->lock);

	if (h->cached)
		h->node->cached--;
	if (h->counted)
		latest_closed_locked(field_of(h->node));
	handle_free_locked(t, h);
}
