/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VAULT_LAG_H
#define VAULT_LAG_H

#include "vault/client.h"

/* Reading from a cluster in which some servers lag behind. */

struct lag_read {
	/* Asks the server at `address` (NULL: any that serves) and replaces the stored answer. Sets
	 * *by to the address that answered. 0 or -errno with `err` set. */
	int (*ask)(void *arg, const char *address, struct limit limit, const char **by,
		   struct err *err);
	/* Whether the answer is older than known data. `begun`: clock_mono() when it was asked for.
	 * `certain`: the leader answered. */
	bool (*is_old)(void *arg, uint64_t begun, bool certain);
	void *arg;
	const char *first; /* the server to ask first, if it answers; NULL: any that serves */
};

/* Asks until the answer is not older than known data: asks the leader, or if that fails each server
 * for a while. 0; -EIO if all of them lag; or an error of ask(). */
int lag_read(struct vault *v, const struct lag_read *read, struct limit limit, struct err *err);

#endif
