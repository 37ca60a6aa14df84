/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EDIT_CAS_H
#define EDIT_CAS_H

#include "tree/dir.h"

/* Check-and-set numbers that users have set with user.vault.cas. Under the tree's lock. */

/* For the next change of the secret by that user, in place of one that waits. 0 or -ENOMEM. */
int cas_arm_locked(struct dir *d, uid_t uid, int64_t number);

/* The number that waits, which then waits no more; NO_CAS where there is none. */
int64_t cas_take_locked(struct dir *d, uid_t uid);

#endif
