/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KV_ROUTER_H
#define KV_ROUTER_H

#include "vault/client.h"
#include "kv/kv.h"

/* All key-value engines that our token may see, as one store: a path begins with the engine's own, and
 * what is above the engines are folders of which the entries are the engines' names. Which there are is
 * asked anew by each list() of such a folder, and before a path is used when that was `ttl` ago. Nothing
 * can be written above the engines or at their roots: -EROFS. Borrows `vault`. 0, or -EACCES where the
 * engines may not be listed, with a sentence, or why they cannot. */
int kv_router_new(struct vault *vault, uint64_t ttl, struct limit limit, struct kv **out,
		  struct err *err);

/* As kv_current_report(), for each of its engines. Does nothing for a store of another kind. */
void kv_router_report(struct kv *kv, void (*changed)(void *arg), void *arg);

/* Whether there is an engine at the path or below it. */
bool kv_router_reaches(struct kv *kv, const char *path);

#endif
