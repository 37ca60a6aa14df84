/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MIGRATE_COPYING_H
#define MIGRATE_COPYING_H

#include "migrate/destination.h"

/* Copies whole secrets from a local store or a server to the target. */

struct copying_options {
	const char *from; /* a source that origin_is() accepts */
	const char *conf; /* its configuration file; NULL: none */
	const char *prefix;
	bool overwrite, dry_run;
};

/* Plans, shows, writes and reports, as the command does. Returns the exit status, or -errno. */
int copying_run(struct remote *r, const struct copying_options *options, struct err *err);

#endif
