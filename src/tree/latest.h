/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TREE_LATEST_H
#define TREE_LATEST_H

#include "tree/dir.h"

struct field;

/* The latest version of a directory's secret: asked for, learnt, and shown by node/shown.c. */

extern const struct shown_ops latest_ops;

/* The version that may be shown now: the latest, or while readers are waited for the one before.
 * Where the server's answer has changed, that is told. Returns as cache_get(); *ttl is 0 for what will
 * change. */
int latest_get_locked(struct tree *t, struct dir *d, const struct ask *ask, struct kv_version **out,
		      uint64_t *ttl, struct err *err);

/* Shows `v`, which is the latest as far as anybody knows: soon, when handles are open. */
void latest_show_locked(struct dir *d, struct kv_version *v, enum shown_origin origin);

/* What was read past the cache since cache_mark() was `mark`, or (UINT64_MAX) what we have made: keeps it
 * and shows the latest that is known then. An answer that another has overtaken is neither. */
void latest_learn_locked(struct tree *t, struct dir *d, struct kv_version *v,
			 enum shown_origin origin, uint64_t mark);

/* A change of ours has come to its end: what was shown meanwhile and is not ours is told. */
void latest_changed_locked(struct tree *t, struct dir *d);

/* Takes back what was shown, since the server refuses it (`code`), or (0) it is to be asked again. */
void latest_withdraw_locked(struct tree *t, struct dir *d, int code);

/* A handle on a field was opened for reading from `v`, or closed. */
void latest_opened_locked(struct field *f, struct kv_version *v);
void latest_closed_locked(struct field *f);

/* Waits until nobody is left to wait for: at most the time that handles are waited for. Releases the
 * tree's lock meanwhile; not in a thread that serves the kernel. */
void latest_wait_drained_locked(struct tree *t, struct dir *d);

#endif
