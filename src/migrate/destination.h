/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MIGRATE_DESTINATION_H
#define MIGRATE_DESTINATION_H

#include "remote/reader.h"

/* The destination of secrets: a path of the server, or of a local store. */
struct destination {
	struct remote *remote;
	char *top; /* "secret/app/development", "local:/FILE/app", under which everything goes */
	struct reader reader;
	struct embedded embedded; /* used instead of `reader` for a store */
	struct kv_engine engine;  /* the store's */
};

/* Opens the command's TARGET, or SOURCE, and `prefix` (NULL: none) below it. Logs in, or opens the
 * store, which `create` makes if it does not exist. 0 or -errno; destination_close() in any
 * case. */
int destination_open(struct destination *t, struct remote *r, const char *prefix, bool create,
		     struct err *err);
void destination_close(struct destination *t);

bool destination_is_local(const struct destination *t);

/* Finds the secret `path` below the top ("": the top itself). *full is its full name, heap, kept if
 * it is set already. at->kv is NULL if there is no store yet. */
int destination_find(struct destination *t, const char *path, char **full, struct spot *at,
		     struct err *err);

/* Reads its latest version. *out is the caller's. */
int destination_read(struct destination *t, const char *path, char **full, struct spot *at,
		     struct kv_version **out, struct err *err);

/* The first checks that the configuration and the store allow the change; the second makes it as
 * one version, as a mount would: see secrets_change(). 0 or -errno, -EBUSY if others have changed
 * its base. */
int destination_check(struct destination *t, const struct spot *at, const struct secret_change *c,
		      struct err *err);
int destination_change(struct destination *t, const struct spot *at, const struct secret_change *c,
		       struct err *err);

/* Changes the secret's metadata. */
int destination_describe(struct destination *t, const struct spot *at, const cJSON *patch,
			 struct err *err);

#endif
