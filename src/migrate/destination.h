/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MIGRATE_DESTINATION_H
#define MIGRATE_DESTINATION_H

#include "remote/reader.h"

/* What secrets are brought to: a path of the server, or of a local store. */
struct destination {
	struct remote *remote;
	char *top; /* "secret/app/development", "local:/FILE/app", under which everything goes */
	struct reader reader;
	struct embedded embedded; /* in place of it */
	struct kv_engine engine;  /* its */
};

/* The command's TARGET, or SOURCE, and `prefix` (NULL: none) below it. Logs in, or opens the store,
 * which with `create` is made where there is none. 0 or -errno; destination_close() in any case. */
int destination_open(struct destination *t, struct remote *r, const char *prefix, bool create,
		     struct err *err);
void destination_close(struct destination *t);

bool destination_is_local(const struct destination *t);

/* The secret `path` below the top ("": at the top itself), by its full name: *full is heap, and
 * kept where it is set already. at->kv is NULL where there is no store yet. */
int destination_find(struct destination *t, const char *path, char **full, struct spot *at,
		     struct err *err);

/* What is there now. *out is the caller's. */
int destination_read(struct destination *t, const char *path, char **full, struct spot *at,
		     struct kv_version **out, struct err *err);

/* Whether the configuration and the store allow the change; and one version by it, as a mount makes it:
 * see secrets_change(). 0 or -errno, -EBUSY where others have changed what it was made from. */
int destination_check(struct destination *t, const struct spot *at, const struct secret_change *c,
		      struct err *err);
int destination_change(struct destination *t, const struct spot *at, const struct secret_change *c,
		       struct err *err);

/* Changes the secret's metadata. */
int destination_describe(struct destination *t, const struct spot *at, const cJSON *patch,
			 struct err *err);

#endif
