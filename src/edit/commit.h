/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EDIT_COMMIT_H
#define EDIT_COMMIT_H

#include "edit/edit.h"
#include "tree/dir.h"
#include "kv/kv.h"
#include "secrets/secrets.h"

/* One change to one secret, on its way to be one version of it. */
struct commit {
	struct dir *dir;	 /* which it has the right to change */
	struct kv_version *base; /* what the change was made from */
	const struct kv_change *changes;
	size_t count;
	bool whole;	 /* nothing else is to be in the secret */
	bool blind;	 /* it does not depend on the old content of the fields that it changes, */
	size_t built_on; /* but on that of the first so many */
	int64_t cas;	 /* NO_CAS, or the number that base must have and the server still */
};

/* Takes the right to change a secret, and to rename what is in it, so that our own writers do not race
 * each other at the server: 0 or PARKED, under the tree's lock. Given back without it. */
int commit_begin_locked(struct tree *t, struct dir *d, const struct ask *ask);
void commit_end(struct tree *t, struct dir *d);

/* The latest version, from the server itself; remembered and shown. SHOWN_FOREIGN where the caller
 * has begun a commit, and not sent it. The caller's. */
int commit_read_latest(struct tree *t, struct dir *d, const struct request *rq,
		       enum shown_origin origin, struct kv_version **out);

/* Makes the version, merging with what others have changed meanwhile, and shows it. Between
 * commit_begin and commit_end, without any lock; returns when readers see it. 0 with the new version
 * in *out, the caller's; -EBUSY where others have changed the same; what the server says. */
int commit_make(struct tree *t, const struct commit *c, const struct request *rq,
		struct kv_version **out);

/* The same, with all the fields of `v` in place of those that the secret has: sets `changes`, `count` and
 * `whole`. */
int commit_whole(struct tree *t, const struct kv_version *v, struct commit *c,
		 const struct request *rq, struct kv_version **out);

/* Whether the sections of the configuration allow it, as far as can be told from the base: 0 or
 * -EINVAL. commit_make() asks for itself. */
int commit_check(const struct tree *t, const struct commit *c, struct err *err);

/* The mount's secrets, for a request that makes no version. */
struct secrets commit_secrets(const struct tree *t);

/* Whether the token may do `right` (KV_UPDATE, ...) with the secret: 0, -EACCES, PARKED. Under the
 * tree's lock. */
int commit_permit_locked(struct tree *t, const struct dir *d, unsigned right,
			 const struct request *rq);

#endif
