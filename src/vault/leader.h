/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VAULT_LEADER_H
#define VAULT_LEADER_H

#include "base/lock.h"
#include "vault/client.h"

/* Which server of a cluster has the last word. The others may answer from a copy that lags behind, and
 * refuse by it what they would else forward: OpenBao's standbys since 2.5, Vault Enterprise's
 * performance standbys. */

enum leader {
	LEADER_ITSELF,	  /* the one that was asked; so is a server without a cluster */
	LEADER_ELSEWHERE, /* at another address, where it answers */
	LEADER_UNKNOWN,	  /* nobody says, or it cannot be reached, or may not be sent our token */
};

/* Asks the server at `asked` (sys/leader, https://developer.hashicorp.com/vault/api-docs/system/leader);
 * NULL: whichever serves. With LEADER_ELSEWHERE *address is the leader's, heap; else it is NULL. A
 * redirect would go there too, so the same rules hold: none where redirects are not followed, and never
 * from HTTPS to plain HTTP. */
enum leader leader_find(struct vault *v, const char *asked, struct limit limit, char **address);

/* What whichever serves says, kept for some seconds. Thread-safe. */
struct leader_memory {
	struct lock lock; /* guards all below */
	enum leader found;
	char *address;	/* with LEADER_ELSEWHERE */
	uint64_t until; /* clock_mono() */
};
void leader_memory_init(struct leader_memory *m);
void leader_memory_fini(struct leader_memory *m);

/* As leader_find() for whichever serves, or what that was a moment ago. */
enum leader leader_recall(struct leader_memory *m, struct vault *v, struct limit limit,
			  char **address);
void leader_forget(struct leader_memory *m);

#endif
