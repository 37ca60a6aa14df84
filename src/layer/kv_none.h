/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAYER_KV_NONE_H
#define LAYER_KV_NONE_H

#include "kv/kv.h"

/* A store in which there is nothing, and nothing can be put: for a mount without a server. NULL: no
 * memory. */
struct kv *kv_none_new(void);

#endif
