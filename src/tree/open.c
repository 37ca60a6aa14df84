// SPDX-License-Identifier: Apache-2.0
/* Open files that are read. A reader goes through the kernel's pages, and then counts: a new version
 * waits for it a little. While a file is being written the kernel's idea of its size is the writer's,
 * so that readers get a copy of their own and no pages. */

#include "tree/open.h"

#include "tree/handle.h"

#include <errno.h>
#include <utlist.h>

static int check_locked(struct tree *t, struct node *n, const struct ask *ask)
{
	struct secret_shown *s;

	if (n->gone)
		return -ENOENT;
	if (!node_is_field(n))
		return 0;
	s = &field_dir(field_of(n))->secret;
	return s->phase == SECRET_STEADY ? 0 : waitq_park_locked(&s->opens, ask);
}

static void count_locked(struct handle *h)
{
	struct field *f;

	if (!node_is_field(h->node) || !h->content.object)
		return;
	f = field_of(h->node);
	h->cached = f->node.writers == 0;
	if (h->cached)
		f->node.cached++;
	h->counted = true;
	secret_opened_locked(f, container_of(h->content.object, struct kv_version, object));
}

struct handle *handle_new_locked(struct tree *t, struct node *n)
{
	struct handle *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->node = node_use_locked(n);
	DL_APPEND2(t->handles, h, before, after);
	return h;
}

void handle_free_locked(struct tree *t, struct handle *h)
{
	DL_DELETE2(t->handles, h, before, after);
	object_put(h->content.object);
	node_unuse_locked(t, h->node);
	free(h);
}

static int content_locked(struct tree *t, struct node *node, const struct ask *ask,
			  struct content *content, struct err *err)
{
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

int tree_open(struct tree *t, struct node *node, const struct caller *caller, const struct ask *ask,
	      struct handle **out, bool *direct, struct err *err)
{
	struct content content;
	struct handle *h;
	int r = tree_permit(t, node, caller, R_OK);

	if (r < 0)
		return err_set(err, -r, "not allowed by owner and mode");
	LOCK_SCOPE(&t->lock);
	r = tree_settle_locked(t, node, ask);
	if (r == 0)
		r = content_locked(t, node, ask, &content, err);
	if (r != 0)
		return r;
	h = handle_new_locked(t, node);
	if (!h) {
		object_put(content.object);
		return err_set(err, ENOMEM, "no memory for a file");
	}
	h->content = content;
	count_locked(h);
	*direct = !h->cached;
	*out = h;
	return 0;
}

static int current_locked(const struct handle *h, struct content *c)
{
	struct field *f;
	struct secret_shown *s;
	const struct kv_field *now;

	*c = h->content;
	if (!h->counted)
		return 0;
	f = field_of(h->node);
	s = &field_dir(f)->secret;
	if (s->refused)
		return -s->refused;
	if (!h->cached || h->node->gone || !s->version)
		return 0;
	now = kv_version_field(s->version, f->raw, f->raw_len);
	if (now)
		*c = (struct content){&s->version->object, now->text, now->len};
	return 0;
}

int tree_read(struct tree *t, struct handle *h, size_t offset, size_t size, const char **bytes,
	      size_t *len, struct object **pin)
{
	LOCK_SCOPE(&t->lock);
	struct content c;
	int r = current_locked(h, &c);

	if (r < 0)
		return r;
	if (offset > c.len)
		offset = c.len;
	*bytes = c.bytes + offset;
	*len = c.len - offset < size ? c.len - offset : size;
	*pin = object_ref(c.object);
	return 0;
}

void tree_release(struct tree *t, struct handle *h)
{
	LOCK_SCOPE(&t->lock);

	if (h->cached)
		h->node->cached--;
	if (h->counted)
		secret_closed_locked(t, field_of(h->node));
	handle_free_locked(t, h);
}
