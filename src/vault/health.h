/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VAULT_HEALTH_H
#define VAULT_HEALTH_H

#include "vault/client.h"

struct http;

/* Whether the server supports namespaces: OpenBao and Vault Enterprise do; Vault's community
 * edition accepts the header and ignores it. Asks sys/health. 0 or -errno. */
int health_has_namespaces(struct vault *v, struct limit limit, bool *out, struct err *err);

/* The result of a health check, besides that the server answers. */
struct health_look {
	bool foreign;	     /* something else answered: the server's state is unknown */
	bool leaderless;     /* a standby that knows no leader: its reads may be old */
	int64_t leads_since; /* ns since 1970, if it says that it leads; else 0 */
};

/* Whether the server at `address` can serve us, active or standby. `leader`: also ask an active one
 * since when it leads. 0; -EIO if it is sealed or otherwise not ready; or why it cannot be
 * asked. */
int health_check(struct http *http, const char *address, bool leader, struct limit limit,
		 struct health_look *out, struct err *err);

/* The server's state, for a person. */
struct health {
	const char *product; /* "vault" or "openbao" */
	char version[64];
	bool initialized, sealed, standby;
};
int health_read(struct vault *v, struct limit limit, struct health *out, struct err *err);

#endif
