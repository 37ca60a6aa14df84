/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EDIT_CHANGE_H
#define EDIT_CHANGE_H

#include "edit/commit.h"
#include "edit/draft.h"
#include "secrets/secret_change.h"

/* What comes before every change of a secret. */

/* Asks the server whether it may be changed, and for what it is now: the version, the caller's. 0,
 * PARKED, -EACCES, -EBUSY where the user has armed another number than the latest, or what the server
 * says. */
int change_look(struct tree *t, struct dir *d, const struct request *rq, bool whole,
		struct kv_version **base);

/* The same for one more of a row of removals, which is not settled by it. */
int change_check(struct tree *t, struct dir *d, const struct request *rq, struct kv_version **base);

/* The same as change_look(), with the number that the user has armed, and with the right to change the
 * secret from then on: commit_end() where it returns 0. */
int change_begin(struct tree *t, struct dir *d, const struct request *rq, bool whole,
		 struct kv_version **base, int64_t *cas);

/* Check-and-set numbers that users have set with user.vault.cas: one for the next change of the secret
 * by that user. Only a commit that is sent spends it. All under the tree's lock. */

/* In place of one that is armed. 0 or -ENOMEM. */
int cas_arm_locked(struct dir *d, uid_t uid, int64_t number);
void cas_disarm_locked(struct dir *d, uid_t uid);
/* NO_CAS where there is none. */
int64_t cas_armed_locked(const struct dir *d, uid_t uid);

#endif
