/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FS_GUARD_H
#define FS_GUARD_H

#include "base/err.h"

#define GUARD_CONNECTIONS "/sys/fs/fuse/connections" /* where the kernel shows its connections */

/* A process of ours that has the kernel fail all who wait for the mount, when the daemon has died and a
 * thread of it cannot end. It needs GUARD_CONNECTIONS, and the right to write there: without it does
 * nothing. It holds no secret. */
struct guard;

/* Forks it, as helper_new(), by the thread that lives as long as the mount is served. NULL with `err`
 * set. */
struct guard *guard_new(const char *connections, struct err *err);

/* Right after mounting: connections' numbers are used again. NULL is fine. */
void guard_watch(struct guard *g, const char *dir);

/* Ends it; nothing is aborted. NULL is fine. */
void guard_free(struct guard *g);

#endif
