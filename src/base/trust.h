/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_TRUST_H
#define BASE_TRUST_H

#include "base/err.h"

/* Files that decide who we are, what we serve and whom we believe: configuration, tokens, keys,
 * stores, certificates. As with ssh(1), they belong to us or to root, and nobody else may write them.
 * Each function returns a negative errno with a sentence that says how to fix it; -EPERM for a file that
 * is not to be trusted. */

/* Opens a file for reading and checks what was opened. Returns the descriptor. */
int trust_open(const char *path, struct err *err);

/* Checks a file that a library will open by its name, or a folder. Follows a symlink. 0. */
int trust_look(const char *path, struct err *err);

/* Checks a file beside one of ours. It may be missing: 0. A symlink is checked itself and not
 * followed. */
int trust_look_beside(const char *path, const char *suffix, struct err *err);

/* Checks that nobody else can replace `path`: its folder is not writable by everybody, unless it is
 * sticky. 0. */
int trust_folder_of(const char *path, struct err *err);

/* The descriptor that a name such as /dev/fd/3 or - stands for; -1 for any other name. A descriptor that
 * we inherited was opened by the process that started us, and is not checked. */
int trust_descriptor(const char *path);

#endif
