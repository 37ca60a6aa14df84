/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VAULT_TOKEN_H
#define VAULT_TOKEN_H

#include "vault/client.h"

/* Calls that concern tokens. */

struct token_info {
	uint64_t ttl; /* ns that are left; 0: it never expires */
	bool known;   /* false: the token may not look itself up */
	bool renewable;
	bool announced; /* its issuer named an end that is earlier than the server's */
	int64_t uses;	/* that are left; 0: unbounded */
};

/* The identity of a token, in words for a person. */
struct token_identity {
	char name[128];	    /* "userpass-bob"; "": the token may not look itself up */
	char policies[256]; /* "default, app" */
};

/* auth/token/lookup-self. -EKEYEXPIRED for a dead token, -EACCES for one that may not look itself
 * up: it lacks the policy `default`. */
int token_lookup(struct vault *v, const struct secret *token, struct limit limit,
		 struct token_info *out, struct err *err);

/* Looks up the token's identity; errors of token_lookup(). */
int token_identify(struct vault *v, const struct secret *token, struct limit limit,
		   struct token_identity *out, struct err *err);

/* auth/token/revoke-self. */
int token_revoke(struct vault *v, const struct secret *token, struct limit limit, struct err *err);

/* Facts that a person may know about the session's token, without gaining anything by it: display_name,
 * policies, ttl in seconds, renewable. A JSON object, the caller's. 0 or an error of
 * token_lookup(). */
int token_describe(struct vault *v, struct limit limit, cJSON **out, struct err *err);

/* auth/token/renew-self. Fills `out` with the renewed state. Errors of token_lookup(); -EINVAL for
 * a token that cannot be renewed. `on_demand`: do not retry, and do not ask a server that is
 * spared. */
int token_renew(struct vault *v, const struct secret *token, bool on_demand, struct limit limit,
		struct token_info *out, struct err *err);

/* A login: posts `body` to `path` ("auth/jwt/login"). Sent once, whatever the answer: the server
 * counts failures. -EKEYREJECTED if it refuses `what` ("user bob or its password"), with its
 * words. */
int token_login(struct vault *v, const char *path, const cJSON *body, const char *what,
		struct limit limit, struct secret **token, struct token_info *out, struct err *err);

/* A login by GET with the parameters `query`; otherwise like token_login(). */
int token_login_by_query(struct vault *v, const char *path, const char *query, const char *what,
			 struct limit limit, struct secret **token, struct token_info *out,
			 struct err *err);

/* Reads the "auth" of a login's or a renewal's answer. 0 or -EIO. *token is the caller's; `token`
 * may be NULL. */
int token_from_auth(const cJSON *auth, struct secret **token, struct token_info *out);

#endif
