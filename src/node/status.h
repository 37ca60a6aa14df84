/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_STATUS_H
#define NODE_STATUS_H

#include "base/json.h"
#include "vault/client.h"

/* What server and token say of themselves, or why they do not: an object, the caller's. Waits for the
 * network. `v` NULL: there is no server. 0 or -ENOMEM. */
int status_fetch(struct vault *v, struct limit limit, cJSON **out);

#endif
