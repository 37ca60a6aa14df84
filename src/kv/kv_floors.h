/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KV_FLOORS_H
#define KV_FLOORS_H

#include "kv/kv_list.h"
#include "kv/kv_version.h"

/* What is known of each secret of an engine because we wrote or read it: an answer that is older than
 * that comes from a server that lags behind, or the server went back. Thread-safe; no call waits. */
struct floors;

/* `addresses`: how many servers there are to ask. NULL: no memory. */
struct floors *floors_new(size_t addresses);
void floors_free(struct floors *f);

/* Whether `v`, the latest version by a request that was sent at `begun` (clock_mono()), is older than
 * what is known, and not to be used. `certain`: the leader said so. What is not older is known from now
 * on. The server is taken to have gone back, which is logged, and `v` counts, where the leader says so
 * some time after our last write, or all servers do for long enough. Sets v->era. */
bool floors_is_old(struct floors *f, const char *path, struct kv_version *v, uint64_t begun,
		   bool certain);

/* We wrote `v`: sets v->era. */
void floors_wrote(struct floors *f, const char *path, struct kv_version *v);

/* The server took version `number`, not necessarily the latest, to that state for us; or removed the
 * secret with all its versions. */
void floors_changed(struct floors *f, const char *path, int64_t number, enum kv_state state);
void floors_purged(struct floors *f, const char *path);

/* The server refused a write, since `number` is not the latest version: an answer that says so is old. */
void floors_refuted(struct floors *f, const char *path, int64_t number);

/* Whether what is known of the secret is new: some servers may not know it yet. */
bool floors_are_new(struct floors *f, const char *path);
/* Whether it is known to be there; and, `below`, whether any secret in that folder is. */
bool floors_are_live(struct floors *f, const char *path, bool below);
/* And whether it is that we wrote that very version. */
bool floors_are_ours(struct floors *f, const char *path, int64_t number);

/* Whether that listing lacks what we wrote a while ago, or has what we removed. */
bool floors_miss(struct floors *f, const char *folder, const struct kv_list *list);

/* Puts into a listing, which it may replace, what we wrote a moment ago, and takes out what we removed:
 * with `lags` also what was a while ago. 0 or -ENOMEM. */
int floors_amend(struct floors *f, const char *folder, bool lags, struct kv_list **list);

#endif
