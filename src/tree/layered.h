/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TREE_LAYERED_H
#define TREE_LAYERED_H

#include "layer/layers.h"
#include "node/name.h"
#include "tree/dir.h"

struct field;

/* How the layers beside the server (layer/layers.h) stand in the tree. All of it answers at once for a
 * mount that has none. */

/* What is looked for in a directory. */
struct wanted {
	const char *name; /* as in the directory */
	char raw[NAME_BYTES_MAX + 1];
	size_t len;
	bool component; /* can be a path's */
};

/* A field of the environment that comes before the server. -ENOENT: the server is to say. As
 * lookup_locked(). */
int layered_first_locked(struct tree *t, struct dir *d, const struct wanted *w,
			 const struct ask *ask, struct node **child, uint64_t *ttl,
			 struct err *err);

/* What stands in where the server has no such name (`r` is -ENOENT), or no answer; else `r`. */
int layered_last_locked(struct tree *t, struct dir *d, const struct wanted *w, int r,
			const struct ask *ask, struct node **child, uint64_t *ttl, struct err *err);

/* dir_list_locked() and dir_version_locked() with what stands beside the server, which also answers
 * where that does not. For who shows what there is; who asks whether the server has something asks
 * those. */
int layered_list_locked(struct tree *t, struct dir *d, const struct ask *ask, struct kv_list **out,
			uint64_t *ttl, struct err *err);
int layered_version_locked(struct tree *t, struct dir *d, const struct ask *ask,
			   struct kv_version **out, uint64_t *ttl, struct err *err);

/* What a field holds by the layers that come before the server (`r` is 0), or by any where the server
 * has no such field (-ENOENT) or no answer (`r`); LAYER_NONE where it is for the server to say. */
enum layer_origin layered_field(const struct tree *t, const struct field *f, int r,
				struct kv_field *out);

/* Whether what stands beside the server keeps a field of that name shown. */
bool layered_has(const struct tree *t, const struct field *f);

/* Nothing has answered: says what was looked for, in `err`, the log and .vault/errors. */
void layered_unanswered_locked(struct tree *t, const struct dir *d, const char *raw, size_t len,
			       const struct ask *ask, struct err *err);

/* Whether a change to it can be made: 0 or -EROFS. For a field that the environment holds before the
 * server (`base` may be NULL), for one that is not in `base`, to be removed or moved, and for a
 * document that shows more than what is in `base`. */
int layered_permit(const struct tree *t, const struct dir *d, const char *raw, size_t len,
		   struct err *err);
int layered_permit_removal(const struct tree *t, const struct field *f,
			   const struct kv_version *base, struct err *err);
int layered_permit_document(struct tree *t, struct dir *d, struct kv_version *base,
			    struct err *err);

#endif
