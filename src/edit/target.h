/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EDIT_TARGET_H
#define EDIT_TARGET_H

#include "edit/commit.h"
#include "tree/field.h"

struct target;

/* How one kind of file is written: a row each, with the calls that this kind has. */
struct written {
	size_t max;  /* the longest text that is taken; 0: the mount's max_size */
	bool whole;  /* stands for all of a secret: can be made, removed, written unseen */
	bool values; /* holds values of the secret's, and follows its versions */

	/* Whether the file is there when the latest version is `v`, and what it holds then, appended.
	 * NULL: it always is; it holds nothing. */
	bool (*holds)(const struct target *at, const struct kv_version *v);
	int (*print)(const struct target *at, const struct kv_version *v, struct buf *to);
	/* What a change is made from, where that is no version: the caller's. */
	int (*look_locked)(struct tree *t, struct dir *d, const struct request *rq,
			   struct object **seen);
	/* Whether what stands beside the server lets it be written. NULL: it does. */
	int (*permit)(struct tree *t, const struct target *at, struct kv_version *base,
		      struct err *err);
	/* As target_commit(). Where no version is made *out is the base again. */
	int (*commit)(struct tree *t, const struct target *at, struct buf *text, struct commit *c,
		      const struct request *rq, struct kv_version **out);
	/* In its place, where anything that is written is an order to the mount: carries it out. */
	int (*obey)(struct tree *t, const struct request *rq);
};

/* What bytes are written to. */
struct target {
	const struct written *kind; /* NULL: nothing that the server knows */
	struct dir *dir;	    /* NULL: of no kind */
	struct field *field;	    /* NULL: a file that is no field */
	const struct object *seen;  /* what look_locked() has found, if it was asked */
};

struct target target_of_locked(struct node *n);

/* Whether it stands for all of a secret. */
static inline bool node_is_document(const struct node *n)
{
	return n->type->written && n->type->written->whole;
}

/* Whether no version is made by writing it. */
static inline bool target_is_apart(const struct target *at)
{
	return at->kind->obey || at->kind->look_locked;
}

/* Makes the version of which the target has these bytes, which are used up. Between commit_begin and
 * commit_end; the commit's dir, base, blind and cas are set. 0 with the new version in *out, the
 * caller's; -EINVAL for a document or number that is none; else as commit_make(). */
int target_commit(struct tree *t, const struct target *at, struct buf *text, struct commit *c,
		  const struct request *rq, struct kv_version **out);

/* Whether the file is there, when the latest version is `v`. */
bool target_holds(const struct target *at, const struct kv_version *v);

/* What the file holds in that version, appended. 0 or -ENOMEM. */
int target_print(const struct target *at, const struct kv_version *v, struct buf *to);

/* The same of what is shown where the latest version at the server is `v`: a layer beside it may hold
 * a field that it has not. */
bool target_shows(const struct tree *t, const struct target *at, const struct kv_version *v);
/* Whether there is anything in it to be cut off. */
bool target_loses(const struct tree *t, const struct target *at, const struct kv_version *v);
int target_print_shown(const struct tree *t, const struct target *at, const struct kv_version *v,
		       struct buf *to);

/* Whether what stands beside the server lets it be written: 0 or -EROFS. */
int target_permit(struct tree *t, const struct target *at, struct kv_version *base,
		  struct err *err);

/* The longest text that is taken. */
size_t target_max(const struct tree *t, const struct target *at);

#endif
