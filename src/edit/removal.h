/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EDIT_REMOVAL_H
#define EDIT_REMOVAL_H

#include "edit/edit.h"
#include "tree/field.h"

/* Fields that one process removes one after the other are a row, and become one version: the first is
 * removed at once, the rest when the process has been quiet for a moment, and before anybody else may
 * look. The first waits too where it is known that more come, and with unlink_grace. */

/* Removes the field at once: 0, PARKED, -ENOENT, or what the server says. */
int removal_make(struct tree *t, struct field *f, const struct request *rq);

/* Whether this removal is one of a row: of a process that has removed another within the last second, or
 * that has the directory open; or (announced) that names all fields in its arguments. A field that must
 * not be missing is, where its process has just listed the secret: rm -r removes all of it, which is
 * allowed. */
bool removal_joins_locked(struct tree *t, const struct field *f, const struct request *rq);
bool removal_is_announced(struct tree *t, const struct field *f, const struct request *rq);

/* The version on which the row's first removal was checked, with a reference; NULL: ask the server. */
struct kv_version *removal_base_locked(struct dir *d, const struct request *rq);

/* Whether the field may be removed later, by the sections of the configuration: 0 or -EINVAL. */
int removal_check_locked(struct tree *t, const struct field *f, const struct kv_version *base,
			 const struct request *rq);

/* Adds the field to the row, once it was checked on `base`: it is gone for all who ask here. 0 or
 * -ENOMEM. */
int removal_add_locked(struct tree *t, struct field *f, struct kv_version *base, bool announced,
		       const struct request *rq);

/* 0 where nothing is left to remove at the server; else it is begun, and PARKED. To be asked before
 * any other change of the secret. */
int removal_settle_locked(struct tree *t, struct dir *d, const struct ask *ask);

/* What went wrong with a row, once: 0 or -errno. */
int removal_failure_locked(struct dir *d, struct err *err);

/* With unlink_grace: takes the field out of the row, since its process makes it anew. Whether it was
 * in it. */
bool removal_revoke_locked(struct tree *t, struct dir *d, const char *raw, size_t raw_len,
			   const struct request *rq);

#endif
