/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VAULT_LAG_H
#define VAULT_LAG_H

#include "vault/client.h"

/* Reading from servers of which some lag behind. */

struct lag_read {
	/* Asks the server at `address`, NULL: whichever serves, and keeps what came in place of what it
	 * has. *by becomes who answered. 0 or -errno with `err` set. */
	int (*ask)(void *arg, const char *address, struct limit limit, const char **by,
		   struct err *err);
	/* Whether what came is older than what is known. `begun`: clock_mono() when it was asked for.
	 * `certain`: the leader answered. */
	bool (*is_old)(void *arg, uint64_t begun, bool certain);
	void *arg;
	const char *first; /* who is asked first, if it answers; NULL: whichever serves */
};

/* Asks until the answer is not older than what is known: of the leader, or where that cannot be asked
 * of each server for a while. 0; -EIO where all of them lag; or as ask(). */
int lag_read(struct vault *v, const struct lag_read *read, struct limit limit, struct err *err);

#endif
