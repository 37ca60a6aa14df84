/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KV_KV2_READ_H
#define KV_KV2_READ_H

#include "base/clock.h"
#include "kv/kv_floors.h"
#include "kv/kv_version.h"
#include "vault/leader.h"

#include <stdatomic.h>

#define KV2_ENGINE_TTL (2 * NS_PER_SEC) /* that it is of version 2 is believed for so long */

/* In the sentence of kv2_check_engine(). */
#define KV2_NO_MORE "is no key-value engine of version 2 any more"

/* The reading of a KV engine, version 2. Borrows all. */
struct kv2_reader {
	struct vault *vault;
	const char *mount;
	struct floors *floors;
	struct leader_memory *leader;
	_Atomic uint64_t engine_good; /* clock_mono() until which it is surely of version 2 */
	atomic_bool engine_told;      /* the server has said so before */
};

/* Whether it is no engine of version 2 any more: -EIO. One of version 1 in its place says that nothing
 * is there, and takes what is made as another path. Asks at most every other second, and where there is
 * reason to `doubt` it at once. */
int kv2_check_engine(struct kv2_reader *k, bool doubt, struct limit limit, struct err *err);
/* The same before a change by that method. */
int kv2_check_change(struct kv2_reader *k, const char *method, struct limit limit, struct err *err);
/* The same, where it has told that nothing is in a folder. `emptied`: something was. */
int kv2_check_folder(struct kv2_reader *k, const char *path, bool emptied, struct limit limit,
		     struct err *err);

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
