/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EDIT_METADATA_H
#define EDIT_METADATA_H

#include "edit/edit.h"
#include "tree/dir.h"

/* A secret's metadata, as far as the server lets it be set. */

#define METADATA_NUMBER_MAX UINT32_MAX /* of max_versions */

/* Has the server set what `patch` says, which it takes; see kv_ops.change_metadata. 0 or -errno. */
int metadata_change(struct tree *t, struct dir *d, cJSON *patch, const struct request *rq);

/* What servers take: at most 64 keys, of which there are `count` besides this one, of 128 bytes, values
 * of 512, all of it printable. 0 or -errno with a sentence. */
int metadata_check_custom(const char *key, const char *value, size_t count, struct err *err);
/* As far as we can tell: what else is not, the server refuses. */
bool metadata_is_printable(const char *text);

/* metadata.json as the server has it now: a struct tree_json, the caller's. 0, PARKED or -errno. Under
 * the tree's lock. */
int metadata_look_locked(struct tree *t, struct dir *d, const struct request *rq,
			 struct object **out);

/* Sets what `text` has otherwise than `seen`, in one request; none where that is nothing. -EINVAL, with
 * nothing done, where that cannot be set. Without any lock. */
int metadata_commit(struct tree *t, struct dir *d, const struct object *seen,
		    const struct buf *text, const struct request *rq);

#endif
