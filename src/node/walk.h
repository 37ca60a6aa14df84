/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_WALK_H
#define NODE_WALK_H

#include "node/node.h"

#include <sys/types.h>

/* How far somebody has walked through the entries of a folder, by opening one directory after the
 * other. */
struct walk {
	size_t at;	 /* the entry that was opened last, in the listing */
	size_t ahead;	 /* those before this place of the order are fetched or being fetched */
	unsigned run;	 /* how many were opened in their order */
	pid_t walker;	 /* by this thread, or another of its process */
	unsigned strays; /* how many the walker opened in a row in no order that we knew */
	bool by_ino;	 /* it goes by `order`, not by name */
	struct walk_order *order; /* of inode numbers; NULL until somebody strays */
};

/* The directory `entry` of `folder`, which are names at the server, is being opened by a thread. */
void walk_step_locked(struct tree *t, struct walk *w, const char *folder, const char *entry,
		      pid_t thread);

void walk_fini(struct walk *w);

#endif
