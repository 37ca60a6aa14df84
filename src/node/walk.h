/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_WALK_H
#define NODE_WALK_H

#include "node/node.h"

#include <sys/types.h>

/* How far somebody has walked through the entries of a folder, by opening one directory after the
 * other. */
struct walk {
	size_t at;    /* the entry that was opened last */
	size_t ahead; /* those before it are fetched or being fetched */
	unsigned run; /* how many were opened in their order */
	pid_t walker; /* by this thread, or another of its process */
};

/* The directory `entry` of `folder`, which are names at the server, is being opened by a thread. */
void walk_step_locked(struct tree *t, struct walk *w, const char *folder, const char *entry,
		      pid_t thread);

#endif
