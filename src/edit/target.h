/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EDIT_TARGET_H
#define EDIT_TARGET_H

#include "edit/commit.h"
#include "tree/field.h"

enum target_kind {
	TARGET_NONE, /* nothing that the server knows */
	TARGET_FIELD,
	TARGET_DOCUMENT, /* a whole secret */
	TARGET_METADATA, /* of a secret: as much of it as can be set */
	TARGET_NUMBER,	 /* of the version that is to be the newest again */
	TARGET_REFRESH,	 /* anything that is written has all forgotten that was read */
	TARGET_RENEW,	 /* anything that is written has the token renewed */
};

/* What bytes are written to. */
struct target {
	enum target_kind kind;
	struct dir *dir;	   /* NULL: TARGET_NONE */
	struct field *field;	   /* of TARGET_FIELD alone */
	const struct object *seen; /* of TARGET_METADATA: what the change is made from */
};

/* TARGET_NONE for nodes that are none of these. */
struct target target_of_locked(struct node *n);

/* Makes the version of which the target has these bytes, which are used up. Between commit_begin and
 * commit_end; the commit's dir, base, blind and cas are set. 0 with the new version in *out, the
 * caller's; -EINVAL for a document or number that is none; else as commit_make(). */
int target_commit(struct tree *t, const struct target *at, struct buf *text, struct commit *c,
		  const struct request *rq, struct kv_version **out);

/* Whether a write is an order to the mount, and nothing of it is a secret's. */
bool target_is_order(const struct target *at);
/* Carries it out. 0, or what the server says. */
int target_obey(struct tree *t, const struct target *at, const struct request *rq);

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
