/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TREE_TREE_H
#define TREE_TREE_H

#include "base/err.h"
#include "node/tree_config.h"
#include "tree/permit.h"

/* What the names of the mount mean. Calls that take a `struct ask` answer from memory or return
 * PARKED; none of them waits. Everything is thread-safe. */

struct tree *tree_new(const struct tree_config *config, struct err *err);
/* After edit_end(). What is still open is closed. */
void tree_free(struct tree *t);
struct node *tree_root(struct tree *t);

/* The kernel's pages of all files in it are put right: who waits for that goes on. To be called once
 * for each notice, and then, when the names are put right too, notice_free(). */
void tree_noticed(struct tree *t, struct notice *notice);

/* From now on there is no kernel to be told of anything. */
void tree_deafen(struct tree *t);

/* Forgets all that was read, here and in the kernel. `code` is an errno that open files read from now
 * on, since we may not know these values any more; 0 where they are only to be asked for anew. */
void tree_forget_all(struct tree *t, int code);

/* What the kernel is told of a node. Times in ns from now. */
struct view {
	struct node *node; /* NULL: there is no such name */
	struct stat attr;
	uint64_t entry_ttl, attr_ttl;
	bool first; /* tree_lookup(): the kernel may not have known it before; see tree_told() */
};

/* On success the kernel holds one reference more to view->node; tree_forget() gives it back. A name
 * that is not there is success too, without a node: the kernel may remember it for entry_ttl. */
int tree_lookup(struct tree *t, struct node *dir, const char *name, const struct ask *ask,
		struct view *view, struct err *err);
void tree_forget(struct tree *t, struct node *node, uint64_t lookups);
/* One reference more, as if it had been looked up. */
void tree_hold(struct tree *t, struct node *node);

/* The kernel has been told of a first `view`. A notice that came before that, when it did not know the
 * node, was nothing to it: where there is a newer version by now it is told anew. The node is held. */
void tree_told(struct tree *t, const struct view *view);

/* Between tree_noticed() and notice_free(): NOTICE_APPEAR and NOTICE_LEAVE, as the kernel asks for
 * them, from memory. The first as tree_lookup(). 0 or -errno. */
int tree_appear(struct tree *t, struct node *dir, const char *name, const struct ask *ask,
		struct view *view);
int tree_leave(struct tree *t, struct node *dir, const char *name);

int tree_getattr(struct tree *t, struct node *node, const struct caller *caller,
		 const struct ask *ask, struct view *view, struct err *err);

/* What makes the kernel drop all that it keeps of a file that nobody may have any more. */
void tree_taken_back(struct tree *t, struct node *node, struct view *view);

/* Whether somebody has it open for writing; whether the kernel holds it. */
bool tree_is_written(struct tree *t, struct node *node);
bool tree_is_known(struct tree *t, struct node *node);

/* access(2): as tree_permit(), and what the token's rights let come of it. From memory or PARKED. */
int tree_access(struct tree *t, struct node *node, const struct caller *caller, int mask,
		const struct ask *ask, struct err *err);

/* Adds to .vault/errors what a person may want to read later: of a node, or of `name` in it, or of a move
 * from there to `to`; each may be NULL. `uid`: of the process that asked. */
void tree_failed(struct tree *t, uid_t uid, struct node *node, const char *name, struct node *to,
		 const struct err *err);

/* "/db/password", as below the mount's root. Heap; NULL: no memory. For logs and messages. */
char *tree_path(struct tree *t, struct node *node);

#endif
