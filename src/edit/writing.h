/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EDIT_WRITING_H
#define EDIT_WRITING_H

#include "edit/draft.h"

/* The draft that a process writes the file with, through a descriptor that it has opened or
 * inherited: the file as stat(2) shows it to that process. Referenced; NULL: it has none. Without the
 * tree's lock. */
struct draft *writing_draft_of(struct tree *t, struct node *n, pid_t pid);

#endif
