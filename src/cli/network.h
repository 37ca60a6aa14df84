/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_NETWORK_H
#define CLI_NETWORK_H

#include "conf/conf.h"
#include "http/budget.h"
#include "kv/kv_engine.h"
#include "vault/client.h"
#include "vault/servers.h"

struct program;
struct tree;

/* The connection to the server that the options configure. */
struct network {
	struct budget budget;
	struct http *http;
	struct servers *servers;
	struct vault *vault;
	struct kv *kv; /* set by network_report(), borrowed */
};

/* Sends no request. Borrows `c` until network_close(), which may also be called for an empty
 * struct. */
int network_open(struct network *n, const struct conf *c, struct err *err);
void network_close(struct network *n);

/* Ends all waits that change nothing at the server, and a login's command: we are about to stop.
 * From any thread; `p` may be NULL, and nothing need be open. */
void network_stop(struct network *n, struct program *p);

/* From now on reports each server that fails and is spared in .vault/errors, and forgets cached
 * data when the engine becomes another. NULL: no longer. Does nothing for an empty struct. */
void network_report(struct network *n, struct tree *tree);

/* If a namespace is configured, whether the server supports namespaces: -EOPNOTSUPP if it would
 * ignore it. */
int network_check_namespace(const struct network *n, const struct conf *c, struct limit limit,
			    struct err *err);

/* The engine of a path ("/" or "": all engines), by kv_engine_open() with the options for it. */
int network_find_engine(const struct network *n, const struct conf *c, const char *path,
			struct limit limit, struct kv_engine *out, struct err *err);

#endif
