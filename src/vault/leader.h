/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VAULT_LEADER_H
#define VAULT_LEADER_H

#include "base/lock.h"
#include "vault/client.h"

/* Which server of a cluster has the last word. The others may answer from a copy that lags behind,
 * and on its evidence refuse requests that they would otherwise forward: OpenBao's standbys since
 * 2.5, Vault Enterprise's performance standbys. */

enum leader {
	LEADER_ITSELF,	  /* the server that was asked, as always without a cluster */
	LEADER_ELSEWHERE, /* at another address, and it answers there */
	LEADER_UNKNOWN,	  /* nobody says, or it is unreachable, or may not get our token */
};

/* Asks the server at `asked` (sys/leader,
 * https://developer.hashicorp.com/vault/api-docs/system/leader); NULL: any that serves. With
 * LEADER_ELSEWHERE *address is the leader's, heap; else it is NULL. The rules for redirects hold,
 * since a redirect would lead there too: none if redirects are not followed, and never from HTTPS
 * to plain HTTP. */
enum leader leader_find(struct vault *v, const char *asked, struct limit limit, char **address);

/* The last answer of any server that serves, kept for some seconds. Thread-safe. */
struct leader_memory {
	struct lock lock; /* guards all below */
	enum leader found;
	char *address;	/* with LEADER_ELSEWHERE */
	uint64_t until; /* clock_mono() */
};
void leader_memory_init(struct leader_memory *m);
void leader_memory_fini(struct leader_memory *m);

/* Like leader_find() with `asked` NULL, but may answer from memory. */
enum leader leader_recall(struct leader_memory *m, struct vault *v, struct limit limit,
			  char **address);
void leader_forget(struct leader_memory *m);

#endif
