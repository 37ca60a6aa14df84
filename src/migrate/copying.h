/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MIGRATE_COPYING_H
#define MIGRATE_COPYING_H

#include "migrate/destination.h"

/* Copies whole secrets, of a local store or a server, below the target. */

struct copying_options {
	const char *from; /* as origin_is() takes it */
	const char *conf; /* what its file says of it; NULL: none */
	const char *prefix;
	bool overwrite, dry_run;
};

/* Plans, shows, writes and reports, as the command does. Its exit status, or -errno. */
int copying_run(struct remote *r, const struct copying_options *options, struct err *err);

#endif
