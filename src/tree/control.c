// SPDX-License-Identifier: Apache-2.0
/* The control directory. It is never listed, and can always be entered; what is in it is a table. Its
 * files are made anew when they are opened, and a reader keeps what it opened. Some can be written,
 * which is edit/'s business, and scratch files may stand beside it. */

#include "tree/control.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/metric.h"
#include "host/process.h"
#include "node/status.h"
#include "node/data_env.h"
#include "tree/fields.h"
#include "tree/history.h"
#include "tree/layered.h"
#include "tree/listing.h"
#include "tree/rights.h"
#include "tree/dir_traits.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DOCUMENT  "data.json"
#define CONFLICTS "conflicts"
#define FIELDS	  "fields"
#define VERSIONS  "versions"

struct control_file {
	const char *name;
	bool root_only;
	const struct node_type *type;
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

/* The latest version, the caller's, where it is live. */
static int live_locked(struct tree *t, struct dir *d, const struct ask *ask,
		       struct kv_version **out, struct err *err)
{
	uint64_t ttl;
	int r = tree_settle_locked(t, &d->node, ask);

	if (r == 0)
		r = layered_version_locked(t, d, ask, out, &ttl, err);
	if (r == 0 && (*out)->state != KV_LIVE)
		r = err_set(err, ENOENT, "there is no secret, or its latest version is deleted");
	return r;
}

static int data_json_locked(struct tree *t, struct dir *d, const struct ask *ask,
			    struct content *out, struct err *err)
{
	_cleanup_object_ struct kv_version *v = NULL;
	_cleanup_json_ cJSON *json = NULL;
	int r = live_locked(t, d, ask, &v, err);

	if (r != 0)
		return r;
	json = kv_version_json(v);
	return json_content(json, out, err);
}

static int data_env_locked(struct tree *t, struct dir *d, const struct ask *ask,
			   struct content *out, struct err *err)
{
	_cleanup_object_ struct kv_version *v = NULL;
	struct text *x;
	int r = live_locked(t, d, ask, &v, err);

	if (r != 0)
		return r;
	x = text_new();
	if (x)
		data_env_print(v, &x->buf);
	return text_content(x, out, err);
}

static int metadata_json_locked(struct tree *t, struct dir *d, const struct ask *ask,
				struct content *out, struct err *err)
{
	_cleanup_object_ struct object *o = NULL;
	struct tree_json *json;
	int r;

	if (!dir_may_be_secret(d))
		return err_set(err, ENOENT, "there is no secret");
	if (dir_traits(t, d) & KV_FLAT)
		return err_set(err, EOPNOTSUPP, "the engine keeps no metadata");
	r = cache_get(t->config.cache, TREE_METADATA, d->path, ask, &o, NULL, err);
	if (r != 0)
		return r;
	json = container_of(o, struct tree_json, object);
	return json_content(json->json, out, err);
}

static int number_locked(struct tree *t, struct dir *d, const struct ask *ask, struct content *out,
			 struct err *err)
{
	_cleanup_object_ struct kv_version *v = NULL;
	struct text *x;
	uint64_t ttl;
	int r = tree_settle_locked(t, &d->node, ask);

	if (dir_traits(t, d) & KV_FLAT)
		return err_set(err, EOPNOTSUPP, "the engine keeps no versions");
	if (r == 0)
		r = dir_version_locked(t, d, ask, &v, &ttl, err);
	if (r != 0)
		return r;
	if (v->number < 1)
		return err_set(err, ENOENT, "there is no secret");
	x = text_new();
	if (x)
		buf_printf(&x->buf, "%" PRId64 "\n", v->number);
	return text_content(x, out, err);
}

static int empty_locked(struct tree *t, struct dir *d, const struct ask *ask, struct content *out,
			struct err *err)
{
	return text_content(text_new(), out, err);
}

static int status_locked(struct tree *t, struct dir *d, const struct ask *ask, struct content *out,
			 struct err *err)
{
	_cleanup_object_ struct object *o = NULL;
	_cleanup_json_ cJSON *json = NULL;
	int r = cache_get(t->config.cache, TREE_STATUS, "", ask, &o, NULL, err);

	if (r != 0)
		return r;
	json = cJSON_Duplicate(container_of(o, struct tree_json, object)->json, true);
	if (!json || status_add_mount(json, t) < 0)
		return err_set(err, ENOMEM, "no memory");
	return json_content(json, out, err);
}

static int errors_locked(struct tree *t, struct dir *d, const struct ask *ask, struct content *out,
			 struct err *err)
{
	struct text *x = text_new();

	if (x)
		rights_print_failures_locked(t, ask, &x->buf);
	return text_content(x, out, err);
}

static int metrics_locked(struct tree *t, struct dir *d, const struct ask *ask, struct content *out,
			  struct err *err)
{
	struct text *x = text_new();

	cache_measure(t->config.cache);
	if (x)
		metric_print(&x->buf);
	return text_content(x, out, err);
}

static const struct control_file files[] = {
	{DOCUMENT, false, &document_type, data_json_locked},
	{"data.env", false, &environment_type, data_env_locked},
	{"version", false, &version_number_type, number_locked},
	{"metadata.json", false, &metadata_type, metadata_json_locked},
	{"status.json", true, &control_file_type, status_locked},
	{"metrics", true, &control_file_type, metrics_locked},
	{"errors", true, &control_file_type, errors_locked},
	{"events", true, &events_type, empty_locked},
	{"refresh", true, &refresh_type, empty_locked},
	{"renew", true, &renew_type, empty_locked},
};

struct dir *control_owner(struct node *n)
{
	while (n && !node_is_dir(n)) {
		if (n->type == &control_dir_type)
			return dir_of(n->parent);
		n = n->parent;
	}
	return NULL;
}

uint64_t control_ino(const struct dir *d, const char *name)
{
	_cleanup_free_ char *key = NULL;
	int n = asprintf(&key, "c:%s/%s", d->path, name);

	return n < 0 ? 2 : stable_hash(key, (size_t)n);
}

static struct node *child_locked(struct node *parent, const char *name,
				 const struct node_type *type, const struct control_file *file)
{
	struct node *known = node_child_locked(parent, name);
	struct dir *d = node_is_dir(parent) ? dir_of(parent) : control_owner(parent);
	struct control *c;

	if (known)
		return node_use_locked(known);
	c = calloc(1, sizeof(*c));
	if (!c || node_init_locked(&c->node, type, parent, name, control_ino(d, name)) < 0) {
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
	*child = child_locked(n, f->name, f->type, f);
	return *child ? 0 : err_set(err, ENOMEM, "no memory");
}

/* Whether there may be a secret where this ".vault" stands. */
static bool has_secret(const struct node *n)
{
	return *dir_of(n->parent)->path;
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
	if (!strcmp(name, FIELDS) && has_secret(n)) {
		*child = child_locked(n, name, &fields_type, NULL);
		return *child ? 0 : err_set(err, ENOMEM, "no memory");
	}
	if (!strcmp(name, VERSIONS) && has_secret(n)) {
		*child = history_versions_locked(n, dir_of(n->parent));
		return *child ? 0 : err_set(err, ENOMEM, "no memory");
	}
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (!strcmp(files[i].name, name) && (!files[i].root_only || !n->parent->parent))
			return find_file_locked(t, n, &files[i], ask, child, err);
	return -ENOENT;
}

/* Whether stat(2) would find the file; one that cannot be read is there too. What has a version, which
 * *there tells, has metadata. Without one there may be metadata alone: then the folder above lists it.
 * 0, PARKED or -ENOMEM. */
static int is_there_locked(struct tree *t, struct node *n, const struct control_file *f,
			   const struct ask *ask, bool *there)
{
	bool metadata = f->content_locked == metadata_json_locked;
	struct content content = {0};
	struct dir *d = dir_of(n->parent);
	struct err err = {0};
	int r;

	*there = f->root_only ? !n->parent->parent : metadata && *there;
	if (f->root_only || !has_secret(n) || *there || (metadata && !(d->kinds & KV_ENTRY_SECRET)))
		return 0;
	if (f == &files[0])
		r = control_document_there_locked(t, d, ask, &err);
	else
		r = f->content_locked(t, d, ask, &content, &err);
	object_put(content.object);
	*there = r != -ENOENT && r != -EOPNOTSUPP;
	return r == PARKED || r == -ENOMEM ? r : 0;
}

static int dir_names_locked(struct tree *t, struct node *n, const struct ask *ask,
			    struct listing *to, struct err *err)
{
	const struct dir *d = dir_of(n->parent);
	bool there = false;
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(files) && r == 0; i++) {
		r = is_there_locked(t, n, &files[i], ask, &there);
		if (r == 0 && there)
			r = listing_add(to, files[i].name, false, control_ino(d, files[i].name));
	}
	if (r == 0 && has_secret(n))
		r = listing_add(to, FIELDS, true, control_ino(d, FIELDS));
	if (r == 0 && has_secret(n))
		r = listing_add(to, VERSIONS, true, control_ino(d, VERSIONS));
	return r == 0 ? listing_add(to, CONFLICTS, true, control_ino(d, CONFLICTS)) : r;
}

static int no_names_locked(struct tree *t, struct node *n, const struct ask *ask,
			   struct listing *to, struct err *err)
{
	return 0; /* but for what is local */
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
	attr->st_mtim = clock_timespec(d->shown.told ? d->shown.mtime : t->started);
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
	.control = true,
	.writable = true,
	.lookup_locked = dir_lookup_locked,
	.attr_locked = dir_attr_locked,
	.list_locked = dir_names_locked,
	.free = control_free,
};

const struct node_type conflicts_type = {
	.format = S_IFDIR,
	.control = true,
	.writable = true,
	.lookup_locked = dir_lookup_locked,
	.attr_locked = dir_attr_locked,
	.list_locked = no_names_locked,
	.free = control_free,
};

const struct node_type control_file_type = {
	.format = S_IFREG,
	.control = true,
	.attr_locked = file_attr_locked,
	.content_locked = file_content_locked,
	.free = control_free,
};

void control_whole_access_locked(const struct tree *t, const struct node *n, struct access *a)
{
	const struct dir *d = control_owner(n->parent);

	rules_whole_access(&t->config.rules,
			   d ? d->path : container_of(n->parent, const struct dir, node)->path, a);
}

/* For what changes all of a secret and tells no value of it: who may not write every field may read it,
 * and no more. */
static void whole_change_access_locked(const struct tree *t, const struct node *n, struct access *a)
{
	struct access whole = *a;

	rule_access(rules_of(&t->config.rules, control_owner(n->parent)->path), a);
	control_whole_access_locked(t, n, &whole);
	a->mode = (a->mode & ~(mode_t)0222) | (whole.mode & 0222);
}

/* For orders to the mount: its owner's alone. */
static void order_access_locked(const struct tree *t, const struct node *n, struct access *a)
{
	*a = (struct access){t->config.uid, t->config.gid, t->config.mode & 0700,
			     t->config.dir_mode};
}

static const char *document_writes(const struct node *n, unsigned *any, bool *below)
{
	const struct dir *d = control_owner(n->parent);

	*any = d->shown.told && d->shown.state == KV_LIVE ? KV_UPDATE : KV_CREATE | KV_UPDATE;
	return d->path;
}

static const char *number_writes(const struct node *n, unsigned *any, bool *below)
{
	*any = KV_UPDATE | KV_PATCH;
	return control_owner(n->parent)->path;
}

const struct node_type environment_type = {
	.format = S_IFREG,
	.control = true,
	.access_locked = control_whole_access_locked,
	.attr_locked = file_attr_locked,
	.content_locked = file_content_locked,
	.free = control_free,
};

const struct node_type document_type = {
	.format = S_IFREG,
	.control = true,
	.writable = true,
	.access_locked = control_whole_access_locked,
	.writes = document_writes,
	.attr_locked = file_attr_locked,
	.content_locked = file_content_locked,
	.free = control_free,
};

const struct node_type version_number_type = {
	.format = S_IFREG,
	.control = true,
	.writable = true,
	.access_locked = whole_change_access_locked,
	.writes = number_writes,
	.attr_locked = file_attr_locked,
	.content_locked = file_content_locked,
	.free = control_free,
};

const struct node_type metadata_type = {
	.format = S_IFREG,
	.control = true,
	.writable = true,
	.access_locked = whole_change_access_locked,
	.attr_locked = file_attr_locked,
	.content_locked = file_content_locked,
	.free = control_free,
};

const struct node_type events_type = {
	.format = S_IFREG,
	.control = true,
	.attr_locked = file_attr_locked,
	.content_locked = file_content_locked,
	.free = control_free,
};

const struct node_type refresh_type = {
	.format = S_IFREG,
	.control = true,
	.writable = true,
	.access_locked = order_access_locked,
	.attr_locked = file_attr_locked,
	.content_locked = file_content_locked,
	.free = control_free,
};

const struct node_type renew_type = {
	.format = S_IFREG,
	.control = true,
	.writable = true,
	.access_locked = order_access_locked,
	.attr_locked = file_attr_locked,
	.content_locked = file_content_locked,
	.free = control_free,
};
