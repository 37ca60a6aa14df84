/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KV_CURRENT_H
#define KV_CURRENT_H

#include "vault/mounts.h"
#include "kv/kv.h"

/* The engine at a path of the server as it is now. One that was upgraded, or disabled and made anew as
 * another version, is found again by asking the server, at most every other second; calls under way end
 * with the one that they began with. A change that was made from a version of the one before is -EBUSY.
 * Versions of a later engine are of a later era. Borrows `vault`. NULL: no memory. */
struct kv *kv_current_new(struct vault *vault, const struct mount_info *info);

/* `changed` is called whenever the engine has become another, by whoever found out, without locks; NULL:
 * nobody is told. Does nothing for a store of another kind. */
void kv_current_report(struct kv *kv, void (*changed)(void *arg), void *arg);

/* The server has told which version the engine is of. */
void kv_current_found(struct kv *kv, int version);

#endif
