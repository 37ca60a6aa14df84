/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WATCH_POLL_H
#define WATCH_POLL_H

#include "tree/dir.h"

#include <stdatomic.h>

/* Looking whether one directory is still what was shown of it. Both wait for the server, and show what
 * they find. The caller has a use of the directory. 0; -errno where the server did not answer. */

struct on_change;

struct poll {
	struct tree *tree;
	uint64_t timeout; /* ns, for each request */
	const struct on_change *hooks;
	const char *label;	/* of the engine */
	atomic_bool plain;	/* the server's listings have no metadata */
	atomic_int metadata_no; /* how often metadata was refused; POLL_ALLOWED once it was not */
};
#define POLL_ALLOWED (-1)

/* clock_mono() at which what was just looked at is to be looked at again. */
enum poll_what { POLL_FOLDER, POLL_SECRET };
uint64_t poll_next(const struct tree *t, enum poll_what what);

/* Its secret: by its metadata, or where that is refused by reading it. */
int poll_secret(struct poll *p, struct dir *d);

/* Its folder: the names in it. */
int poll_folder(struct poll *p, struct dir *d);

#endif
