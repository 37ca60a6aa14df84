/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FS_NOTIFY_H
#define FS_NOTIFY_H

#include "fs/fs.h"

/* Tells the kernel which of its copies are out of date, from threads of its own: a worker that waited
 * for that could be what it waits for. */
struct notifier;

struct notifier *notifier_new(struct fs *fs, struct err *err);

/* Works off what is queued, then ends the threads. NULL is fine. */
void notifier_free(struct notifier *n);

/* Takes the notice. Never blocks. */
void notifier_add(struct notifier *n, struct notice *notice);

#endif
