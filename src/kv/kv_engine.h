/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KV_ENGINE_H
#define KV_ENGINE_H

#include "vault/mounts.h"
#include "kv/kv.h"

/* What a SOURCE or a path of the server is in. */
struct kv_engine {
	struct kv *kv;		/* the caller's */
	struct mount_info info; /* of version 0 and without a path for all engines together */
	const char *inside;	/* the rest of the path that was given */
};

/* How it is found: by asking the server; or (version 1 or 2) by `mount`, or where that is NULL by the
 * first name of the path, unasked. */
struct kv_choice {
	int version;
	const char *mount;
	bool firm;    /* that version it is, and stays: the engine is not asked for again */
	uint64_t ttl; /* of what is known of all engines */
};

/* "secret/app/db" is the engine at "secret", "" and what is above engines with slashes in their names
 * is all engines. Borrows `vault` and, for `inside`, `path`. 0, -ENOENT for no engine, -EOPNOTSUPP for
 * one that keeps no keys and values, -EACCES where the server may not be asked, -EINVAL for a choice
 * that does not fit the path. */
int kv_engine_open(struct vault *vault, const char *path, const struct kv_choice *choice,
		   struct limit limit, struct kv_engine *out, struct err *err);

#endif
