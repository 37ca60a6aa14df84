/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOST_MOUNTPOINT_H
#define HOST_MOUNTPOINT_H

#include "base/err.h"

#include <stdbool.h>

/* Makes sure that something can be mounted on `dir`: it is a directory, empty, and no mount of ours; or
 * it is missing, and mountpoint_make() can make it. A mount that a dead daemon has left there is cleared
 * away. *absolute is its path without links; heap. 0 or -errno. */
int mountpoint_check(const char *dir, char **absolute, struct err *err);

/* Makes the directory if it is missing; *made says whether it was. Directories above it must be there. */
int mountpoint_make(const char *dir, bool *made, struct err *err);

/* Unmounts one of ours. 0; -EINVAL where there is none; -EBUSY. */
int mountpoint_clear(const char *dir, struct err *err);

/* Whether a path, which is there, lies in a mount of ours. */
bool mountpoint_holds(const char *path);

/* Whether a mount of ours answers there. */
bool mountpoint_answers(const char *dir);

#endif
