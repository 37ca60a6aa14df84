/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VAULT_PATH_H
#define VAULT_PATH_H

#include "base/err.h"

#include <stddef.h>

/* Whether the bytes can be a component of a path at the server: 0, -EINVAL, or -EILSEQ for what is
 * not UTF-8. What else the server does not take, it says when it is asked. */
int path_check_component(const char *bytes, size_t len);

/* The same of all components of a path, with a sentence; slashes too many do not count. The server
 * would take "a/../b" for another path, and a local store for one that nothing shows. */
int path_check(const char *path, struct err *err);

/* The same, for what takes the path as it is: a slash too many is -EINVAL, and no path is. */
int path_check_exact(const char *path, struct err *err);

#endif
