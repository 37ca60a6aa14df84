/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_DATA_ENV_H
#define NODE_DATA_ENV_H

#include "base/buf.h"
#include "kv/kv_version.h"

/* The fields as a file that a POSIX shell can read: a line NAME='value' each; a comment for each that a
 * shell cannot have. Appended. */
void data_env_print(const struct kv_version *v, struct buf *to);

#endif
