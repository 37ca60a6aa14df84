// SPDX-License-Identifier: Apache-2.0
/* The control directory. It is never listed, and can always be entered; what is in it is a table, a row a
 * file. They are made anew when they are opened, and a reader keeps what it opened. Scratch files may
 * stand beside them. */

#include "control/control.h"

#include "base/clock.h"
#include "control/content.h"
#include "control/events.h"
#include "control/fields.h"
#include "control/files.h"
#include "control/history.h"
#include "tree/control_dir.h"
#include "tree/listing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct control_file {
	const char *name;
	enum {
		IN_ROOT = 1,	/* of the mount */
		IN_SECRETS = 2, /* wherever there may be a secret */
		EVERYWHERE = IN_ROOT | IN_SECRETS
	} where;
	struct node_type type;
	control_content *content_locked; /* NULL: a directory */
	control_there *there_locked;	 /* when it is looked up; NULL: its content tells */
	control_there *listed_locked;	 /* when it is listed; NULL: as when it is looked up */
};

static int content_locked(struct tree *t, struct node *n, const struct ask *ask,
			  struct content *out, struct err *err)
{
	const struct control_file *f = container_of(n->type, const struct control_file, type);

	return f->content_locked(t, control_owner(n), ask, out, err);
}

static int file_attr_locked(struct tree *t, struct node *n, const struct ask *ask,
			    struct stat *attr, uint64_t *ttl, struct err *err)
{
	LOCK_HELD(&t->lock);
	struct content content = {0};
	int r = content_locked(t, n, ask, &content, err);
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
	LOCK_HELD(&t->lock);
	*ttl = t->config.ttl;
	attr->st_mtim = clock_timespec(t->started);
	return 0;
}

static void control_free(struct tree *t, struct node *n)
{
	free(n);
}

/* "conflicts" holds scratch files alone. */
static int conflicts_lookup_locked(struct tree *t, struct node *n, const char *name,
				   const struct ask *ask, struct node **child, uint64_t *ttl,
				   struct err *err)
{
	struct node *known = node_child_locked(n, name);

	*ttl = 0;
	if (!known || !known->local)
		return -ENOENT;
	*child = node_use_locked(known);
	return 0;
}

static int conflicts_list_locked(struct tree *t, struct node *n, const struct ask *ask,
				 struct listing *to, struct err *err)
{
	return 0; /* but for what is local */
}

#define FILE_TYPE                                                                                  \
	.format = S_IFREG, .control = true, .attr_locked = file_attr_locked,                       \
	.content_locked = content_locked, .free = control_free
#define DIR_TYPE                                                                                   \
	.format = S_IFDIR, .control = true, .attr_locked = dir_attr_locked, .free = control_free

static const struct control_file files[] = {
	{.name = "data.json",
	 .where = IN_SECRETS,
	 .type = {FILE_TYPE, .writable = true, .access_locked = whole_access_locked,
		  .writes = document_writes, .written = &document_written},
	 .content_locked = document_locked,
	 .there_locked = document_there_locked},
	{.name = "data.env",
	 .where = IN_SECRETS,
	 .type = {FILE_TYPE, .access_locked = whole_access_locked},
	 .content_locked = data_env_locked},
	{.name = "version",
	 .where = IN_SECRETS,
	 .type = {FILE_TYPE, .writable = true, .access_locked = whole_change_access_locked,
		  .writes = number_writes, .written = &number_written},
	 .content_locked = number_locked},
	{.name = "metadata.json",
	 .where = IN_SECRETS,
	 .type = {FILE_TYPE, .writable = true, .access_locked = whole_change_access_locked,
		  .written = &metadata_written},
	 .content_locked = metadata_json_locked,
	 .listed_locked = metadata_listed_locked},
	{.name = "status.json",
	 .where = IN_ROOT,
	 .type = {FILE_TYPE},
	 .content_locked = status_locked},
	{.name = "metrics",
	 .where = IN_ROOT,
	 .type = {FILE_TYPE},
	 .content_locked = metrics_locked},
	{.name = "errors", .where = IN_ROOT, .type = {FILE_TYPE}, .content_locked = errors_locked},
	{.name = "events",
	 .where = IN_ROOT,
	 .type = {FILE_TYPE, .open = events_open},
	 .content_locked = empty_locked},
	{.name = "refresh",
	 .where = IN_ROOT,
	 .type = {FILE_TYPE, .writable = true, .access_locked = order_access_locked,
		  .written = &refresh_written},
	 .content_locked = empty_locked},
	{.name = "renew",
	 .where = IN_ROOT,
	 .type = {FILE_TYPE, .writable = true, .access_locked = order_access_locked,
		  .written = &renew_written},
	 .content_locked = empty_locked},
	{.name = "fields",
	 .where = IN_SECRETS,
	 .type = {DIR_TYPE, .writable = true, .fields = true, .writes = fields_writes,
		  .lookup_locked = fields_lookup_locked, .list_locked = fields_list_locked}},
	{.name = "versions",
	 .where = IN_SECRETS,
	 .type = {DIR_TYPE, .lookup_locked = versions_lookup_locked,
		  .list_locked = versions_list_locked}},
	{.name = "conflicts",
	 .where = EVERYWHERE,
	 .type = {DIR_TYPE, .writable = true, .lookup_locked = conflicts_lookup_locked,
		  .list_locked = conflicts_list_locked}},
};

static const struct control_file *file_of(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (!strcmp(files[i].name, name))
			return &files[i];
	return NULL;
}

/* Whether there can be one in this ".vault". */
static bool has_place(const struct control_file *f, const struct node *n)
{
	return ((f->where & IN_ROOT) && !n->parent->parent) ||
	       ((f->where & IN_SECRETS) && *dir_of(n->parent)->path);
}

static struct node *make_locked(struct node *parent, const struct dir *d, const char *name,
				const struct node_type *type)
{
	struct node *known = node_child_locked(parent, name);
	struct node *n;

	if (known)
		return node_use_locked(known);
	n = calloc(1, sizeof(*n));
	if (!n || node_init_locked(n, type, parent, name, control_ino(d, name)) < 0) {
		free(n);
		return NULL;
	}
	return n;
}

static struct node *make_file_locked(struct node *n, const struct control_file *f)
{
	return make_locked(n, dir_of(n->parent), f->name, &f->type);
}

static int is_there_locked(struct tree *t, struct node *n, const struct control_file *f,
			   const struct ask *ask, struct err *err)
{
	LOCK_HELD(&t->lock);
	struct content content = {0};
	struct dir *d = dir_of(n->parent);
	int r;

	if (f->there_locked)
		return f->there_locked(t, d, ask, err);
	if (!f->content_locked)
		return 0;
	r = f->content_locked(t, d, ask, &content, err);
	object_put(content.object);
	return r;
}

static int lookup_locked(struct tree *t, struct node *n, const char *name, const struct ask *ask,
			 struct node **child, uint64_t *ttl, struct err *err)
{
	const struct control_file *f = file_of(name);
	struct node *known = node_child_locked(n, name);
	int r;

	*ttl = 0;
	if (known && known->local) {
		*child = node_use_locked(known);
		return 0;
	}
	if (!f || !has_place(f, n))
		return -ENOENT;
	r = is_there_locked(t, n, f, ask, err);
	if (r != 0)
		return r;
	*child = make_file_locked(n, f);
	return *child ? 0 : err_set(err, ENOMEM, "no memory");
}

/* Whether stat(2) would find the file; one that cannot be read is there too, and those that are of the
 * mount always are. 0, PARKED or -ENOMEM. */
static int is_listed_locked(struct tree *t, struct node *n, const struct control_file *f,
			    const struct ask *ask, bool *listed)
{
	struct err err = {0};
	int r = 0;

	*listed = has_place(f, n);
	if (!*listed || (f->where & IN_ROOT))
		return 0;
	r = f->listed_locked ? f->listed_locked(t, dir_of(n->parent), ask, &err)
			     : is_there_locked(t, n, f, ask, &err);
	*listed = r != -ENOENT && r != -EOPNOTSUPP;
	return r == PARKED || r == -ENOMEM ? r : 0;
}

static int list_locked(struct tree *t, struct node *n, const struct ask *ask, struct listing *to,
		       struct err *err)
{
	const struct dir *d = dir_of(n->parent);
	bool listed = false;
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(files) && r == 0; i++) {
		const struct control_file *f = &files[i];

		r = is_listed_locked(t, n, f, ask, &listed);
		if (r == 0 && listed)
			r = listing_add(to, f->name, S_ISDIR(f->type.format),
					control_ino(d, f->name));
	}
	return r;
}

static const struct node_type control_dir_type = {
	DIR_TYPE,
	.writable = true,
	.lookup_locked = lookup_locked,
	.list_locked = list_locked,
};

static struct node *dir_locked(struct node *dir)
{
	return make_locked(dir, dir_of(dir), ".vault", &control_dir_type);
}

static struct node *child_locked(struct node *control, const char *name)
{
	const struct control_file *f = file_of(name);

	return f ? make_file_locked(control, f) : NULL;
}

static const struct node_type *type_of(const char *name)
{
	const struct control_file *f = file_of(name);

	return f ? &f->type : NULL;
}

const struct tree_control control_tree = {
	.dir_locked = dir_locked,
	.child_locked = child_locked,
	.type_of = type_of,
};
