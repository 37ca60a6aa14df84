/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FS_NOTIFY_H
#define FS_NOTIFY_H

#include "fs/fs.h"

/* Has the kernel learn which of its copies are out of date, from threads of its own: a worker that
 * waited for that could be what it waits for. None of them ever waits in the kernel for a lock: see
 * notify.c. */
struct notifier;

struct notifier *notifier_new(struct fs *fs, struct err *err);

/* Works off what is queued, then ends the threads. NULL is fine. */
void notifier_free(struct notifier *n);

/* Takes the notice. Never blocks. */
void notifier_add(struct notifier *n, struct notice *notice);

/* Whether the kernel is to let go of that name just now, so that whoever does that is told of nothing.
 * */
bool notifier_drops(struct notifier *n, uint64_t dir, const char *name);

/* A name that no file can have: it stands for the file of which the kernel is to drop its pages just
 * now. */
#define CLEAR_NAME "%clear"

/* That file, with a reference as of tree_lookup(), for our helper alone; NULL: none. */
struct node *notifier_clears(struct notifier *n);

#endif
