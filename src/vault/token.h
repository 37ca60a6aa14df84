/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VAULT_TOKEN_H
#define VAULT_TOKEN_H

#include "vault/client.h"

/* The calls about tokens. */

struct token_info {
	uint64_t ttl; /* ns that are left; 0 where it never expires */
	bool known;   /* false: the token may not look itself up */
	bool renewable;
	bool announced; /* its end is the word of who gave it, and earlier than the server's */
	int64_t uses;	/* that are left; 0: unbounded */
};

/* Whom a token stands for, in words for a person. */
struct token_identity {
	char name[128];	    /* "userpass-bob"; "" where the token may not look itself up */
	char policies[256]; /* "default, app" */
};

/* auth/token/lookup-self. -EKEYEXPIRED for a dead token, -EACCES for one that may not look itself up:
 * without the policy `default`. */
int token_lookup(struct vault *v, const struct secret *token, struct limit limit,
		 struct token_info *out, struct err *err);

/* The same, of whom it stands for. */
int token_identify(struct vault *v, const struct secret *token, struct limit limit,
		   struct token_identity *out, struct err *err);

/* auth/token/revoke-self. */
int token_revoke(struct vault *v, const struct secret *token, struct limit limit, struct err *err);

/* What a person may know of the session's token, and nobody gains anything by: display_name, policies,
 * ttl in seconds, renewable. A JSON object, the caller's. 0 or -errno, as token_lookup(). */
int token_describe(struct vault *v, struct limit limit, cJSON **out, struct err *err);

/* auth/token/renew-self. Fills `out` with what is left then. Errors as above; -EINVAL for a token that
 * cannot be renewed. `on_demand`: once, and not where the server is to be spared. */
int token_renew(struct vault *v, const struct secret *token, bool on_demand, struct limit limit,
		struct token_info *out, struct err *err);

/* A login: posts `body` to `path` ("auth/jwt/login"). Made once, whatever the answer: failures are
 * counted by the server. -EKEYREJECTED where it refuses `what` ("user bob or its password"), with its
 * words. */
int token_login(struct vault *v, const char *path, const cJSON *body, const char *what,
		struct limit limit, struct secret **token, struct token_info *out, struct err *err);

/* The same for methods that log in by a GET, of which `query` is what they send. */
int token_login_by_query(struct vault *v, const char *path, const char *query, const char *what,
			 struct limit limit, struct secret **token, struct token_info *out,
			 struct err *err);

/* Reads the "auth" of a login's or a renewal's answer. 0 or -EIO; `*token` is the caller's, and may
 * be asked for as NULL. */
int token_from_auth(const cJSON *auth, struct secret **token, struct token_info *out);

#endif
