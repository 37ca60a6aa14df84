/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KV_KV2_READ_H
#define KV_KV2_READ_H

#include "base/clock.h"
#include "kv/kv_floors.h"
#include "kv/kv_version.h"
#include "vault/leader.h"

#include <stdatomic.h>

#define KV2_ENGINE_TTL (2 * NS_PER_SEC) /* for which an engine is assumed to stay version 2 */

/* In the sentence of kv2_check_engine(). */
#define KV2_NO_MORE "is no key-value engine of version 2 any more"

/* The reading side of a KV engine, version 2. Borrows everything. */
struct kv2_reader {
	struct vault *vault;
	const char *mount;
	struct floors *floors;
	struct leader_memory *leader;
	_Atomic uint64_t engine_good; /* clock_mono() until which it is assumed to be version 2 */
	atomic_bool engine_told;      /* the server has confirmed it before */
};

/* -EIO if it is no longer an engine of version 2. An engine of version 1 in its place would report
 * that nothing exists, and would write to another path. Asks at most every other second, or at once
 * if there is reason to `doubt` it. */
int kv2_check_engine(struct kv2_reader *k, bool doubt, struct limit limit, struct err *err);
/* Checks the engine before a change by that method. */
int kv2_check_change(struct kv2_reader *k, const char *method, struct limit limit, struct err *err);
/* Checks the engine after it listed an empty folder. `emptied`: the folder had names before. */
int kv2_check_folder(struct kv2_reader *k, const char *path, bool emptied, struct limit limit,
		     struct err *err);

/* Implement kv_ops.read and kv_ops.metadata: never return anything older than known data. */
int kv2_read_latest(struct kv2_reader *k, const char *path, struct limit limit,
		    struct kv_version **out, struct err *err);
int kv2_read_metadata(struct kv2_reader *k, const char *path, struct limit limit, cJSON **out,
		      struct err *err);

/* Version `number`, from any server that has it. `insists`: see vault_call. */
int kv2_read_numbered(struct kv2_reader *k, const char *path, int64_t number, bool insists,
		      struct limit limit, struct kv_version **out, struct err *err);

/* The latest version. It is later than `before`, unless the leader says otherwise, or the other
 * servers do for a while when no leader can be asked. Insists. */
int kv2_read_after(struct kv2_reader *k, const char *path, int64_t before, struct limit limit,
		   struct kv_version **out, struct err *err);

#endif
