/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOST_MOUNTPOINT_H
#define HOST_MOUNTPOINT_H

#include "base/err.h"

#include <stdbool.h>

/* Checks that we can mount on `dir`: it is an empty directory without a mount of ours, or it is
 * missing and mountpoint_make() can make it. Clears a mount that a dead daemon has left. *absolute
 * is its path without links; heap. 0 or -errno. */
int mountpoint_check(const char *dir, char **absolute, struct err *err);

/* Makes the directory if it is missing; *made says whether it did. Its parent must exist. */
int mountpoint_make(const char *dir, bool *made, struct err *err);

/* Unmounts a mount of ours. 0; -EINVAL if there is none; -EBUSY. */
int mountpoint_clear(const char *dir, struct err *err);

/* Whether an existing path lies in a mount of ours. */
bool mountpoint_holds(const char *path);

/* Whether a mount of ours answers there. */
bool mountpoint_answers(const char *dir);

#endif
