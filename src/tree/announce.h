/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TREE_ANNOUNCE_H
#define TREE_ANNOUNCE_H

#include "node/notice.h"
#include "tree/dir.h"

#include <time.h>

struct field;

/* What the kernel and others are told, as notices. Each that is sent ends with shown_settled(). */

/* For shown_ops.announce: what is to be told of `v`, or (NULL) of nothing being shown. */
struct notice *announce_version_locked(struct tree *t, struct dir *d, const struct kv_version *v,
				       enum shown_origin origin, bool always);

/* Sends a notice that shown_noticed(), or the machine itself, has counted. */
void announce_send_locked(struct tree *t, struct notice *n);

/* The kernel is to ask anew what a name in the directory stands for. */
void announce_absence_locked(struct tree *t, struct dir *d, const char *name);

/* Has the directory `d` appear or leave in `parent` (`act`), for all to see, and tells of it. */
void announce_name_locked(struct tree *t, struct dir *parent, struct dir *d, enum notice_act act);

/* The kernel was told of the file with this time: it is told again where that is not the one shown. */
void announce_time_locked(struct tree *t, struct field *f, const struct timespec *mtime);

#endif
