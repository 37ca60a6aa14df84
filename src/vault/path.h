/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VAULT_PATH_H
#define VAULT_PATH_H

#include "base/err.h"

#include <stddef.h>

/* Whether the bytes can be a component of a path at the server: 0, -EINVAL, or -EILSEQ if they are
 * not UTF-8. The server itself may refuse still others. */
int path_check_component(const char *bytes, size_t len);

/* Checks all components of a path, with a sentence. Repeated slashes are ignored. The server would
 * take "a/../b" for another path, and a local store for one that nothing shows. */
int path_check(const char *path, struct err *err);

/* Checks a path that is used unchanged: an empty path or component is -EINVAL. */
int path_check_exact(const char *path, struct err *err);

#endif
