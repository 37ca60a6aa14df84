/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EDIT_CLOSING_H
#define EDIT_CLOSING_H

#include "edit/draft.h"

/* Commits a draft of the file `n`, if it has anything to commit; with `also_emptied` a truncation is
 * something. 0, PARKED or -errno, which every later call on its handles answers too. */
int closing_commit(struct tree *t, struct node *n, struct draft *d, bool also_emptied,
		   const struct request *rq);

/* Commits a new file that is still open, before it takes the place of another: else that would be
 * empty until it is closed, and stay so if that fails. 0, PARKED, or what it could not be written for. */
int closing_commit_new(struct tree *t, struct field *f, const struct request *rq);

#endif
