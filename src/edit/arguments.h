/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EDIT_ARGUMENTS_H
#define EDIT_ARGUMENTS_H

#include "kv/kv_version.h"

#include <sys/types.h>

/* Whether the arguments of the process name every field of `v`, the secret in a directory of the name
 * `dir`. See process_arguments() for the processes that may be asked. */
bool arguments_name_all(pid_t pid, const char *dir, const struct kv_version *v);

#endif
