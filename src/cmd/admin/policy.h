/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_ADMIN_POLICY_H
#define CMD_ADMIN_POLICY_H

#include "base/buf.h"

/* The rights that a mount needs: HCL, for an engine of KV version 2. */

enum policy_kind { POLICY_READ, POLICY_WRITE };

/* Appends the policy for a mount of ENGINE/PATH. A token also has the policy "default". */
void policy_print(enum policy_kind kind, const char *engine, const char *path, struct buf *to);

#endif
