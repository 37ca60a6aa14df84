/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTROL_MOUNT_STATUS_H
#define CONTROL_MOUNT_STATUS_H

#include "base/json.h"

struct tree;

/* Adds what the mount knows of itself. 0 or -ENOMEM. */
int mount_status_add(cJSON *to, struct tree *t);

#endif
