/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KV_ROUTER_H
#define KV_ROUTER_H

#include "vault/client.h"
#include "kv/kv.h"

/* All key-value engines that our token may see, as one store. A path begins with that of its
 * engine; above the engines there are folders that list the engines' names. list() of such a folder
 * asks anew for the engines, and so does any use of a path if the list is older than `ttl`. Nothing
 * can be written above the engines or at their roots: -EROFS. Borrows `vault`. 0, or -EACCES if the
 * engines may not be listed, with a sentence, or another -errno. */
int kv_router_new(struct vault *vault, uint64_t ttl, struct limit limit, struct kv **out,
		  struct err *err);

/* Like kv_current_report(), for each of its engines. Does nothing for another kind of store. */
void kv_router_report(struct kv *kv, void (*changed)(void *arg), void *arg);

/* Whether there is an engine at the path or below it. */
bool kv_router_reaches(struct kv *kv, const char *path);

#endif
