/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KV_KV2_READ_H
#define KV_KV2_READ_H

#include "kv/kv_floors.h"
#include "kv/kv_version.h"
#include "vault/leader.h"

/* The reading of a KV engine, version 2. Borrows all. */
struct kv2_reader {
	struct vault *vault;
	const char *mount;
	struct floors *floors;
	struct leader_memory *leader;
};

/* As kv_ops.read and kv_ops.metadata: never what is older than what we know. */
int kv2_read_latest(struct kv2_reader *k, const char *path, struct limit limit,
		    struct kv_version **out, struct err *err);
int kv2_read_metadata(struct kv2_reader *k, const char *path, struct limit limit, cJSON **out,
		      struct err *err);

/* Version `number` as whichever server has it. `insists`: see vault_call. */
int kv2_read_numbered(struct kv2_reader *k, const char *path, int64_t number, bool insists,
		      struct limit limit, struct kv_version **out, struct err *err);

/* The latest version, which is not `before` or an earlier one unless the leader says so, or no leader
 * can be asked and the other servers say so for a while. Insists. */
int kv2_read_after(struct kv2_reader *k, const char *path, int64_t before, struct limit limit,
		   struct kv_version **out, struct err *err);

#endif
