/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KV_KV2_LIST_H
#define KV_KV2_LIST_H

#include "vault/client.h"
#include "kv/kv_children.h"
#include "kv/kv_floors.h"
#include "kv/kv_list.h"

#include <stdatomic.h>

#define KV2_FOLDERS 512

/* The listings of a KV engine, version 2. Borrows all three. */
struct kv2_list {
	struct vault *vault;
	const char *mount;
	struct floors *floors;
	atomic_int detailed; /* whether the server has detailed listings; 0: not yet known */
	_Atomic uint64_t had_names[KV2_FOLDERS]; /* hashes of folders that were not empty */
};

/* Implement kv_ops.list and kv_ops.children. */
int kv2_list_names(struct kv2_list *l, const char *path, struct limit limit, struct kv_list **out,
		   struct err *err);
int kv2_list_children(struct kv2_list *l, const char *path, struct limit limit,
		      struct kv_children **out, struct err *err);
/* For an empty folder: whether it had names when last listed, as far as remembered. */
bool kv2_list_emptied(struct kv2_list *l, const char *path);

#endif
