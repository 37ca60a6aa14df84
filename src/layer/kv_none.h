/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAYER_KV_NONE_H
#define LAYER_KV_NONE_H

#include "kv/kv.h"

/* A store that is empty and refuses every change: for a mount without a server. NULL: no memory. */
struct kv *kv_none_new(void);

#endif
