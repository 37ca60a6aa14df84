/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KV_KV1_H
#define KV_KV1_H

#include "vault/client.h"
#include "kv/kv.h"

/* The KV engine, version 1, mounted at `mount` ("secret", without a slash at its end). Borrows
 * `vault`. NULL: no memory. */
struct kv *kv1_new(struct vault *vault, const char *mount);

#endif
