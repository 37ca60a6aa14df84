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

/* The way to the server, as the options have it. */
struct network {
	struct budget budget;
	struct http *http;
	struct servers *servers;
	struct vault *vault;
	struct kv *kv; /* of network_report(), borrowed */
};

/* Asks nothing yet. Borrows `c` until network_close(), which is fine for one that was never opened. */
int network_open(struct network *n, const struct conf *c, struct err *err);
void network_close(struct network *n);

/* Ends what is waited for and changes nothing at the server, a login's command with it: we are
 * about to stop. From any thread; `p` may be NULL, and nothing need be open. */
void network_stop(struct network *n, struct program *p);

/* Each server that fails and is spared is told in .vault/errors from then on, and what is in memory is
 * forgotten when the engine becomes another. NULL: no more. Does nothing where it was never opened. */
void network_report(struct network *n, struct tree *tree);

/* Whether the server has the namespace that is configured, if one is: -EOPNOTSUPP where it would take
 * no notice of it. */
int network_check_namespace(const struct network *n, const struct conf *c, struct limit limit,
			    struct err *err);

/* What a path is in ("/" or "": all engines), as kv_engine_open() with the options that are about it. */
int network_find_engine(const struct network *n, const struct conf *c, const char *path,
			struct limit limit, struct kv_engine *out, struct err *err);

#endif
