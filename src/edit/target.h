/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EDIT_TARGET_H
#define EDIT_TARGET_H

#include "edit/commit.h"
#include "tree/field.h"

/* What bytes are written to: a field, or by its document a whole secret. */
struct target {
	struct dir *dir;     /* NULL: nothing that the server knows */
	struct field *field; /* NULL: the document */
};

/* Of a field or a document; nothing of other nodes. */
struct target target_of_locked(struct node *n);

/* Makes the version of which the target has these bytes, which are used up. Between commit_begin and
 * commit_end; the commit's dir, base, blind and cas are set. 0 with the new version in *out, the
 * caller's; -EINVAL for a document that is none; else as commit_make(). */
int target_commit(struct tree *t, const struct target *at, struct buf *text, struct commit *c,
		  const struct request *rq, struct kv_version **out);

/* What the file holds in that version, appended. 0 or -ENOMEM. */
int target_print(const struct target *at, const struct kv_version *v, struct buf *to);

/* The longest text that is taken. */
size_t target_max(const struct tree *t, const struct target *at);

#endif
