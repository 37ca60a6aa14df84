/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KV_FLOORS_H
#define KV_FLOORS_H

#include "kv/kv_list.h"
#include "kv/kv_version.h"

/* The newest known state of each secret of an engine, from our reads and writes. An older answer
 * comes from a server that lags behind, or the server was rolled back. Thread-safe; no call
 * waits. */
struct floors;

/* `addresses`: the number of servers to ask. NULL: no memory. */
struct floors *floors_new(size_t addresses);
void floors_free(struct floors *f);

/* Whether `v`, the latest version from a request sent at `begun` (clock_mono()), is older than the
 * known state and must not be used. `certain`: the leader said so. A newer `v` becomes the known
 * state. An older one is accepted, and logged as a rollback of the server, if the leader says so
 * some time after our last write, or all servers do for long enough. Sets v->era. */
bool floors_is_old(struct floors *f, const char *path, struct kv_version *v, uint64_t begun,
		   bool certain);

/* We wrote `v`: records it, and sets v->era. */
void floors_wrote(struct floors *f, const char *path, struct kv_version *v);

/* The server put version `number`, not necessarily the latest, into that state for us; or removed
 * the secret with all its versions. */
void floors_changed(struct floors *f, const char *path, int64_t number, enum kv_state state);
void floors_purged(struct floors *f, const char *path);

/* The server refused a write because `number` is not the latest version: an answer with it is
 * old. */
void floors_refuted(struct floors *f, const char *path, int64_t number);

/* Whether the known state is new: some servers may not have it yet. */
bool floors_are_new(struct floors *f, const char *path);
/* Whether the secret is known to exist, or with `below` any secret in that folder. */
bool floors_are_live(struct floors *f, const char *path, bool below);
/* Whether it is known that we wrote that very version. */
bool floors_are_ours(struct floors *f, const char *path, int64_t number);

/* Whether a listing lacks a secret that we wrote a while ago, or has one that we removed. */
bool floors_miss(struct floors *f, const char *folder, const struct kv_list *list);

/* Adds to a listing, which it may replace, secrets that we have just written, and drops those that
 * we removed; with `lags` also older ones. 0 or -ENOMEM. */
int floors_amend(struct floors *f, const char *folder, bool lags, struct kv_list **list);

#endif
