/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VAULT_MOUNTS_H
#define VAULT_MOUNTS_H

#include "vault/client.h"

/* An engine as it is mounted in the server. */
struct mount_info {
	char path[512]; /* "secret", without a slash at its end */
	char type[64];	/* "kv" */
	int version;	/* of a KV engine: 1 or 2; 0 for others */
};

/* Which engine a path ("secret/app/db") belongs to, by sys/internal/ui/mounts/. Any token may ask
 * that if it may do something below. -ENOENT if there is none, or none that the token may see: the
 * server does not distinguish them. -EACCES if the question is not allowed, as behind a proxy. */
int mounts_find(struct vault *v, const char *path, struct limit limit, struct mount_info *out,
		struct err *err);

/* Calls `each` for every engine that the token may see, in the server's order, until it returns
 * nonzero; returns that value. -EACCES if the question is not allowed. */
int mounts_list(struct vault *v, struct limit limit,
		int (*each)(void *arg, const struct mount_info *mount), void *arg, struct err *err);

#endif
