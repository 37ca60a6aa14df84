/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WATCH_POLL_H
#define WATCH_POLL_H

#include "tree/watched.h"

#include <stdatomic.h>

struct poll {
	struct tree *tree;
	struct kv *kv;
	uint64_t timeout; /* ns, for each request */
	const struct watched_hooks *hooks;
	atomic_bool plain;	/* the server's listings have no metadata */
	atomic_int metadata_no; /* how often metadata was refused; POLL_ALLOWED once it was not */
};
#define POLL_ALLOWED (-1)

/* Looks whether a folder, by its names, or a secret, by its metadata or where that is refused by reading
 * it, is still what was shown of it. Waits for the server, and shows what it finds. 0; -errno where the
 * server did not answer. */
int poll_look(struct poll *p, const struct watched *w);

#endif
