/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MIGRATE_ORIGIN_H
#define MIGRATE_ORIGIN_H

#include "migrate/destination.h"

/* The origin of copied secrets: a local store, or a path of a server. */
struct origin {
	struct remote own;    /* another server than the target's, or a store's configuration */
	struct remote *asked; /* `own`, or the target's */
	struct embedded embedded;
	struct kv_engine engine;
	char *top; /* "secret/app", "local:/FILE/app", for people too */
};

/* Whether --from names such an origin: "local:FILE/PATH", "vault:PATH". */
bool origin_is(const char *from);

/* `file`: its configuration; NULL: use the target's configuration and server. Call it after
 * destination_open(). 0 or -errno; origin_close() in any case. */
int origin_open(struct origin *o, const char *from, const char *file, struct destination *t,
		struct err *err);
void origin_close(struct origin *o);

/* The engine's path for `path` below the top. Heap; NULL: no memory. */
char *origin_path(const struct origin *o, const char *path);

#endif
