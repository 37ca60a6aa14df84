/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VAULT_HEALTH_H
#define VAULT_HEALTH_H

#include "vault/client.h"

struct http;

/* Whether the server knows namespaces: OpenBao and Vault Enterprise do, Vault's community edition
 * takes the header and ignores it. By sys/health. 0 or -errno. */
int health_has_namespaces(struct vault *v, struct limit limit, bool *out, struct err *err);

/* What a look at a server has shown, besides that it answers. */
struct health_look {
	bool foreign;	     /* somebody else has answered, and nothing is known of the server */
	bool leaderless;     /* a standby that knows no leader: what it reads may be old */
	int64_t leads_since; /* it says that it leads, ns since 1970; 0: it does not, or did not say */
};

/* Whether the server at `address` would serve us, active or standby; `leader`: an active one is asked
 * since when it leads. 0; -EIO where it is sealed or the
 * like; or why it cannot be asked. */
int health_check(struct http *http, const char *address, bool leader, struct limit limit,
		 struct health_look *out, struct err *err);

/* What a person wants to know of the server. */
struct health {
	const char *product; /* "vault" or "openbao" */
	char version[64];
	bool initialized, sealed, standby;
};
int health_read(struct vault *v, struct limit limit, struct health *out, struct err *err);

#endif
