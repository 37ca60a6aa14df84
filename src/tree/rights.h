/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TREE_RIGHTS_H
#define TREE_RIGHTS_H

#include "base/err.h"
#include "rule/rules.h"

struct tree;
struct dir;
struct field;
struct caller;
struct ask;
struct buf;

/* Rights on more than one file: on all of a secret, on a field's move to another name, on a path that
 * nobody has walked. They follow from the options and the [path] sections alone. No lock is needed. */

/* Whether the caller may do `mask` (R_OK, W_OK) with every file that the secret can have. 0, -EACCES,
 * or -EROFS where the mount is read-only; with a sentence. */
int rights_whole(const struct tree *t, const struct dir *d, const struct caller *caller, int mask,
		 struct err *err);

/* Whether the caller may move a field to another name: if it may read the field, or if owner, group and
 * mode stay as they are, so that nobody can read more than before. 0 or -EACCES with a sentence. */
int rights_move(const struct tree *t, const struct field *from, const struct dir *to,
		const char *raw, const struct caller *caller, struct err *err);

/* A process that reads .vault/errors or .vault/events, with its groups as they were at the open. */
struct viewer {
	uid_t uid;
	gid_t gid;
	gid_t *groups; /* heap */
	size_t count;
};

void viewer_init(struct viewer *v, const struct caller *caller);
void viewer_fini(struct viewer *v);

/* What a viewer could find out about a directory by walking there. */
enum sight {
	SIGHT_NONE,
	SIGHT_NAME,   /* that it exists: its parent may be listed */
	SIGHT_INSIDE, /* the names in it: it may be listed */
};

/* `path` is the directory's in the engine. SIGHT_NONE below a directory that may not be searched. */
enum sight rights_sight(const struct tree *t, const char *path, const struct viewer *v);

/* The lines of .vault/errors that the process that asks could see by walking. */
void rights_print_failures_locked(const struct tree *t, const struct ask *ask, struct buf *to);

#endif
