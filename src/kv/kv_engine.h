/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KV_ENGINE_H
#define KV_ENGINE_H

#include "vault/mounts.h"
#include "kv/kv.h"

/* The engine that a SOURCE or a path of the server belongs to. */
struct kv_engine {
	struct kv *kv;		/* the caller's */
	struct mount_info info; /* version 0 and no path: all engines together */
	const char *inside;	/* the rest of the given path */
};

/* How to find it: by asking the server; or, for version 1 or 2, without asking: by `mount`, or if
 * that is NULL by the first name of the path. */
struct kv_choice {
	int version;
	const char *mount;
	bool firm;    /* the version is fixed: do not ask for the engine again */
	uint64_t ttl; /* ns, of the list of all engines */
};

/* Opens the engine of a path: "secret/app/db" belongs to the engine at "secret"; "", and paths
 * above engines with slashes in their names, mean all engines. Borrows `vault` and, for `inside`,
 * `path`. 0, -ENOENT for no engine, -EOPNOTSUPP for one that is not key-value, -EACCES if the
 * server may not be asked, -EINVAL for a choice that does not fit the path. */
int kv_engine_open(struct vault *vault, const char *path, const struct kv_choice *choice,
		   struct limit limit, struct kv_engine *out, struct err *err);

#endif
