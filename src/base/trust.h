/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_TRUST_H
#define BASE_TRUST_H

#include "base/err.h"

/* Files that decide who we are, what we serve and whom we believe: configuration, tokens, keys,
 * stores, certificates. As ssh(1) does it, they belong to us or to root, and nobody else may write
 * them. Each function returns a negative errno with a sentence that says how to mend it; -EPERM for
 * a file that is not to be trusted. */

/* open(2) for reading, then the check on what was opened. The descriptor. */
int trust_open(const char *path, struct err *err);

/* The same of a file that a library will open by its name, or of a folder. A symlink is followed. 0. */
int trust_look(const char *path, struct err *err);

/* The same of a file beside one of ours, that need not be there: a symlink is not followed, and is
 * checked itself. 0 also where there is none. */
int trust_look_beside(const char *path, const char *suffix, struct err *err);

/* Nobody else can put a file in the place of `path`: its folder is not open to everybody, but for a
 * sticky one. 0. */
int trust_folder_of(const char *path, struct err *err);

/* The descriptor that a file's name stands for (/dev/fd/3, -); -1 for any other name. What was handed
 * to us as a descriptor was opened by who started us, and is not checked. */
int trust_descriptor(const char *path);

#endif
