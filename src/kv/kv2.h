/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KV_KV2_H
#define KV_KV2_H

#include "vault/client.h"
#include "kv/kv.h"

/* The KV engine, version 2, mounted at `mount` ("secret", without a slash at its end). Borrows
 * `vault`. NULL: no memory. */
struct kv *kv2_new(struct vault *vault, const char *mount);

#endif
