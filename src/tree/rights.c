// SPDX-License-Identifier: Apache-2.0
/* Rights on more than one file.
 *
 * A rule for a path is worth nothing if there is another way to the same bytes: through the document of
 * the whole secret, the number of an old version, a new name for the field, or the lines that tell of
 * failures and changes. So whatever acts on a whole secret needs the rights on all of it, a field takes
 * its rule along or is read by the one who moves it, and a line is shown to those who could walk to what
 * it tells of. */

#include "tree/rights.h"

#include "host/process.h"
#include "tree/dir.h"
#include "tree/field.h"
#include "tree/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct access options_access(const struct tree *t)
{
	return (struct access){t->config.uid, t->config.gid, t->config.mode, t->config.dir_mode};
}

static bool has_group(const struct viewer *v, gid_t gid)
{
	for (size_t i = 0; i < v->count; i++)
		if (v->groups[i] == gid)
			return true;
	return v->gid == gid;
}

static bool may(const struct access *a, mode_t mode, const struct viewer *v, int mask)
{
	return v->uid == 0 || permit_by_mode(mode, v->uid == a->uid, has_group(v, a->gid), mask);
}

void viewer_init(struct viewer *v, const struct caller *caller)
{
	*v = (struct viewer){.uid = caller->uid, .gid = caller->gid};
	if (v->uid != 0) /* root needs none */
		v->count = process_groups(caller->pid, &v->groups);
}

void viewer_fini(struct viewer *v)
{
	free(v->groups);
	*v = (struct viewer){.uid = (uid_t)-1, .gid = (gid_t)-1};
}

static bool caller_may(const struct access *a, const struct caller *caller, int mask)
{
	struct viewer v;
	bool allowed;

	viewer_init(&v, caller);
	allowed = may(a, a->mode, &v, mask);
	viewer_fini(&v);
	return allowed;
}

int rights_whole(const struct tree *t, const struct dir *d, const struct caller *caller, int mask,
		 struct err *err)
{
	struct access a = options_access(t);

	if ((mask & W_OK) && t->config.read_only)
		return err_set(err, EROFS, "it is read-only");
	rules_whole_access(&t->config.rules, d->path, &a);
	if (!caller_may(&a, caller, mask))
		return err_set(err, EACCES, "this needs the rights on every field of the secret");
	return 0;
}

static struct access field_access(const struct tree *t, const char *path, const char *raw)
{
	struct access a = options_access(t);

	rule_access(rules_of_field(&t->config.rules, path, raw), &a);
	return a;
}

int rights_move(const struct tree *t, const struct field *from, const struct dir *to,
		const char *raw, const struct caller *caller, struct err *err)
{
	struct access was = field_access(t, dir_of(from->node.parent)->path, from->raw);
	struct access is = field_access(t, to->path, raw);

	if (was.uid == is.uid && was.gid == is.gid && was.mode == is.mode)
		return 0;
	if (caller_may(&was, caller, R_OK))
		return 0;
	return err_set(err, EACCES,
		       "a field that may not be read cannot get a name with another rule");
}

static bool may_in_dir(const struct tree *t, const char *path, const struct viewer *v, int mask)
{
	struct access a = options_access(t);

	rule_access(rules_of(&t->config.rules, path), &a);
	return may(&a, a.dir_mode, v, mask);
}

enum sight rights_sight(const struct tree *t, const char *path, const struct viewer *v)
{
	size_t end = strlen(t->config.prefix);
	bool listed = true; /* the root's own name is no secret */

	if (v->uid == 0)
		return SIGHT_INSIDE;
	if (strlen(path) < end)
		return SIGHT_NONE;
	/* From the root down: each directory above must be searched, and the last of them listed. */
	while (path[end]) {
		_cleanup_free_ char *above = strndup(path, end);

		if (!above || !may_in_dir(t, above, v, X_OK))
			return SIGHT_NONE;
		listed = may_in_dir(t, above, v, R_OK);
		end += path[end] == '/';
		end += strcspn(path + end, "/");
	}
	if (may_in_dir(t, path, v, R_OK))
		return SIGHT_INSIDE;
	return listed ? SIGHT_NAME : SIGHT_NONE;
}

struct reader {
	const struct tree *t;
	struct viewer viewer;
};

/* Rows that tell of no path are for the mount's owner. */
static bool shows_failure(void *arg, const struct failure *row)
{
	const struct reader *r = arg;
	enum sight needed = row->names ? SIGHT_INSIDE : SIGHT_NAME;

	if (!row->dirs[0] && r->viewer.uid != 0 && r->viewer.uid != r->t->config.uid)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(row->dirs); i++)
		if (row->dirs[i] && rights_sight(r->t, row->dirs[i], &r->viewer) < needed)
			return false;
	return true;
}

/* With fast_open one text is for all who may open the file. */
static struct caller reader_of(const struct tree *t, const struct ask *ask)
{
	struct caller nobody = {.uid = (uid_t)-1, .gid = (gid_t)-1};

	if (!t->config.fast_open)
		return (struct caller){ask->uid, ask->gid, ask->asker > 0 ? ask->asker : 0};
	if (!(t->config.mode & 0077))
		nobody.uid = t->config.uid;
	return nobody;
}

void rights_print_failures_locked(const struct tree *t, const struct ask *ask, struct buf *to)
{
	LOCK_HELD(&t->lock);
	struct caller caller = reader_of(t, ask);
	struct reader r = {.t = t};

	viewer_init(&r.viewer, &caller);
	failures_print(&t->failures, shows_failure, &r, to);
	viewer_fini(&r.viewer);
}
