/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KV_POLICY_H
#define KV_POLICY_H

#include "vault/client.h"

/* What our token may do with an API path ("secret/data/app/db"): KV_CREATE and the rest of
 * kv/kv.h. From sys/capabilities-self, which the policy `default` allows; where that is refused,
 * all rights are assumed, and the server will say. */
int policy_rights(struct vault *v, const char *api_path, struct limit limit, unsigned *rights,
		  struct err *err);

#endif
