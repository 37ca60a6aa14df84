// SPDX-License-Identifier: Apache-2.0
/* The control directory. It is never listed, and can always be entered; what is in it is a table. Its
 * files are made anew when they are opened, and a reader keeps what it opened. "data.json" can be
 * written, which is edit/'s business, and scratch files may stand beside it. */

#include "tree/control.h"

#include "base/clock.h"
#include "base/codec.h"
#include "host/process.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define DOCUMENT  "data.json"
#define CONFLICTS "conflicts"

struct control_file {
	const char *name;
	bool root_only;
	int (*content_locked)(struct tree *t, struct dir *d, const struct ask *ask,
			      struct content *out, struct err *err);
};

struct control {
	struct node node;
	const struct control_file *file; /* NULL: a directory */
};

/* Text, in secret memory, as what a content is kept by. */
struct text {
	struct object object;
	struct buf buf;
};

static void text_free(struct object *o)
{
	struct text *x = container_of(o, struct text, object);

	buf_fini(&x->buf);
	free(x);
}

static struct text *text_new(void)
{
	struct text *x = calloc(1, sizeof(*x));

	if (x)
		x->object = (struct object){.refs = 1, .free = text_free};
	return x;
}

static int text_content(struct text *x, struct content *out, struct err *err)
{
	if (!x || buf_status(&x->buf) < 0) {
		object_put(x);
		return err_set(err, ENOMEM, "no memory");
	}
	*out = (struct content){
		.object = &x->object, .bytes = x->buf.data ? x->buf.data : "", .len = x->buf.len};
	return 0;
}

int control_print_json(const cJSON *json, struct buf *to)
{
	if (!json || json_print(json, true, to) < 0)
		return -ENOMEM;
	buf_add_str(to, "\n");
	return buf_status(to);
}

static int json_content(const cJSON *json, struct content *out, struct err *err)
{
	struct text *x = text_new();

	if (x && control_print_json(json, &x->buf) < 0)
		x->buf.failed = true;
	return text_content(x, out, err);
}

static int data_json_locked(struct tree *t, struct dir *d, const struct ask *ask,
			    struct content *out, struct err *err)
{
	_cleanup_object_ struct kv_version *v = NULL;
	_cleanup_json_ cJSON *json = NULL;
	uint64_t ttl;
	int r = tree_settle_locked(t, &d->node, ask);

	if (r == 0)
		r = dir_version_locked(t, d, ask, &v, &ttl, err);
	if (r != 0)
		return r;
	if (v->state != KV_LIVE)
		return err_set(err, ENOENT, "there is no secret, or its latest version is deleted");
	json = kv_version_json(v);
	return json_content(json, out, err);
}

static int metadata_json_locked(struct tree *t, struct dir *d, const struct ask *ask,
				struct content *out, struct err *err)
{
	_cleanup_object_ struct object *o = NULL;
	struct tree_json *json;
	int r;

	if (!dir_may_be_secret(d))
		return err_set(err, ENOENT, "there is no secret");
	if (t->config.kv->ops->flat)
		return err_set(err, EOPNOTSUPP, "the engine keeps no metadata");
	r = cache_get(t->config.cache, TREE_METADATA, d->path, ask, &o, NULL, err);
	if (r != 0)
		return r;
	json = container_of(o, struct tree_json, object);
	return json_content(json->json, out, err);
}

static int errors_locked(struct tree *t, struct dir *d, const struct ask *ask, struct content *out,
			 struct err *err)
{
	struct text *x = text_new();

	if (x)
		failures_print(&t->failures, &x->buf);
	return text_content(x, out, err);
}

static const struct control_file files[] = {
	{DOCUMENT, false, data_json_locked},
	{"metadata.json", false, metadata_json_locked},
	{"errors", true, errors_locked},
};

const char *control_name(const struct node *n, size_t i, bool *directory)
{
	bool root = n->parent && !n->parent->parent;

	*directory = false;
	if (n->type != &control_dir_type)
		return NULL;
	for (size_t j = 0; j < ARRAY_SIZE(files); j++)
		if ((root || !files[j].root_only) && i-- == 0)
			return files[j].name;
	*directory = true;
	return i == 0 ? CONFLICTS : NULL;
}

struct dir *control_owner(struct node *n)
{
	while (n && !node_is_dir(n)) {
		if (n->type == &control_dir_type)
			return dir_of(n->parent);
		n = n->parent;
	}
	return NULL;
}

static struct node *child_locked(struct node *parent, const char *name,
				 const struct node_type *type, const struct control_file *file)
{
	struct node *known = node_child_locked(parent, name);
	_cleanup_free_ char *key = NULL;
	struct dir *d = node_is_dir(parent) ? dir_of(parent) : control_owner(parent);
	struct control *c;

	if (known)
		return node_use_locked(known);
	c = calloc(1, sizeof(*c));
	if (!c || asprintf(&key, "c:%s/%s", d->path, name) < 0 ||
	    node_init_locked(&c->node, type, parent, name, stable_hash(key, strlen(key))) < 0) {
		free(c);
		return NULL;
	}
	c->file = file;
	return &c->node;
}

int control_lookup_locked(struct tree *t, struct dir *d, struct node **child, uint64_t *ttl,
			  struct err *err)
{
	*ttl = t->config.ttl;
	*child = child_locked(&d->node, ".vault", &control_dir_type, NULL);
	return *child ? 0 : err_set(err, ENOMEM, "no memory");
}

/* A file in the ".vault" of a directory. */
static struct node *within_locked(struct dir *d, const char *name, const struct node_type *type,
				  const struct control_file *file)
{
	struct node *control = child_locked(&d->node, ".vault", &control_dir_type, NULL);
	struct node *n = control ? child_locked(control, name, type, file) : NULL;

	if (control)
		control->uses--; /* which its child keeps; without one it goes with the directory */
	return n;
}

struct node *control_document_locked(struct dir *d)
{
	return within_locked(d, DOCUMENT, &document_type, &files[0]);
}

struct node *control_conflicts_locked(struct dir *d)
{
	return within_locked(d, CONFLICTS, &conflicts_type, NULL);
}

static int file_content_locked(struct tree *t, struct node *n, const struct ask *ask,
			       struct content *out, struct err *err)
{
	struct control *c = container_of(n, struct control, node);

	return c->file->content_locked(t, control_owner(n), ask, out, err);
}

int control_document_there_locked(struct tree *t, struct dir *d, const struct ask *ask,
				  struct err *err)
{
	struct content content = {0};
	int r;

	if (clock_mono() < d->document_until && d->document_process == process_of(ask->asker))
		return -ENOENT;
	r = data_json_locked(t, d, ask, &content, err);
	object_put(content.object);
	return r;
}

static int find_file_locked(struct tree *t, struct node *n, const struct control_file *f,
			    const struct ask *ask, struct node **child, struct err *err)
{
	struct content content = {0};
	bool document = f == &files[0];
	int r;

	if (document) {
		r = control_document_there_locked(t, dir_of(n->parent), ask, err);
		if (r == -EACCES)
			r = 0; /* who may not read it may still write it */
	} else {
		r = f->content_locked(t, dir_of(n->parent), ask, &content, err);
		object_put(content.object);
	}
	if (r != 0)
		return r;
	*child = child_locked(n, f->name, document ? &document_type : &control_file_type, f);
	return *child ? 0 : err_set(err, ENOMEM, "no memory");
}

static int dir_lookup_locked(struct tree *t, struct node *n, const char *name,
			     const struct ask *ask, struct node **child, uint64_t *ttl,
			     struct err *err)
{
	struct node *known = node_child_locked(n, name);

	*ttl = 0;
	if (known && known->local) {
		*child = node_use_locked(known);
		return 0;
	}
	if (n->type == &conflicts_type)
		return -ENOENT;
	if (!strcmp(name, CONFLICTS)) {
		*child = child_locked(n, name, &conflicts_type, NULL);
		return *child ? 0 : err_set(err, ENOMEM, "no memory");
	}
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (!strcmp(files[i].name, name) && (!files[i].root_only || !n->parent->parent))
			return find_file_locked(t, n, &files[i], ask, child, err);
	return -ENOENT;
}

static int file_attr_locked(struct tree *t, struct node *n, const struct ask *ask,
			    struct stat *attr, uint64_t *ttl, struct err *err)
{
	struct content content = {0};
	int r = file_content_locked(t, n, ask, &content, err);
	const struct dir *d = control_owner(n);

	*ttl = 0;
	if (node_is_document(n) && (r == -EACCES || r == -ENOENT))
		r = 0; /* it may be on its way to be written */
	if (r != 0)
		return r;
	attr->st_size = (off_t)content.len;
	attr->st_mtim = clock_timespec(d->secret.told ? d->secret.mtime : t->started);
	object_put(content.object);
	return 0;
}

static int dir_attr_locked(struct tree *t, struct node *n, const struct ask *ask, struct stat *attr,
			   uint64_t *ttl, struct err *err)
{
	*ttl = t->config.ttl;
	attr->st_mtim = clock_timespec(t->started);
	return 0;
}

static void control_free(struct tree *t, struct node *n)
{
	free(container_of(n, struct control, node));
}

const struct node_type control_dir_type = {
	.format = S_IFDIR,
	.writable = true,
	.lookup_locked = dir_lookup_locked,
	.attr_locked = dir_attr_locked,
	.free = control_free,
};

const struct node_type conflicts_type = {
	.format = S_IFDIR,
	.writable = true,
	.lookup_locked = dir_lookup_locked,
	.attr_locked = dir_attr_locked,
	.free = control_free,
};

const struct node_type control_file_type = {
	.format = S_IFREG,
	.attr_locked = file_attr_locked,
	.content_locked = file_content_locked,
	.free = control_free,
};

const struct node_type document_type = {
	.format = S_IFREG,
	.writable = true,
	.attr_locked = file_attr_locked,
	.content_locked = file_content_locked,
	.free = control_free,
};
