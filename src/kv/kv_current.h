/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KV_CURRENT_H
#define KV_CURRENT_H

#include "vault/mounts.h"
#include "kv/kv.h"

/* The engine at a path of the server as it is now. If it is upgraded, or remounted as another
 * version, it is found again by asking the server, at most every other second; calls under way
 * finish with the old engine. A change based on a version of the old engine is -EBUSY. Versions of
 * a later engine have a later era. Borrows `vault`. NULL: no memory. */
struct kv *kv_current_new(struct vault *vault, const struct mount_info *info);

/* Calls `changed` whenever another engine is found, from the thread that found it, without locks;
 * NULL: call nothing. Does nothing for another kind of store. */
void kv_current_report(struct kv *kv, void (*changed)(void *arg), void *arg);

/* Reports which version the server says the engine is. */
void kv_current_found(struct kv *kv, int version);

#endif
