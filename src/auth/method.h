/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_METHOD_H
#define AUTH_METHOD_H

#include "aws/aws_credentials.h"
#include "vault/token.h"

struct program;

/* The ways to get a token. One row each; auth/method.c holds the table. */

#define AUTH_TEXT_MAX (64u << 10) /* of a token or an id in a file */

/* What a method must remember from one login to the next; of one thread at a time. */
struct auth_memory {
	struct secret *wrapping, *unwrapped; /* the last, and what was in it */
	bool taken;			     /* see auth_config.unasked */
};
void auth_memory_fini(struct auth_memory *m);

enum auth_wrapped { AUTH_WRAPPED_AUTO, AUTH_WRAPPED_YES, AUTH_WRAPPED_NO };

/* Strings and secrets are borrowed; NULL where nothing is set. */
struct auth_config {
	const char *method; /* a name of the table; NULL: what the credentials suggest */
	const char *mount;  /* where the method is mounted in the server; NULL: its usual place */
	const char *role;
	struct secret *token;
	const char *token_file;
	const char *token_command;
	struct program *program;     /* that runs it */
	const char *home_token_file; /* "~/.vault-token", with ~ resolved */
	struct secret *role_id, *secret_id;
	const char *role_id_file, *secret_id_file;
	enum auth_wrapped secret_id_wrapped;
	struct auth_memory *memory;
	/* A token that is given is taken at first without a question to the server: the first
	 * request tells whether it is good. For who asks little and ends, and leaves a token of one
	 * use to what is asked for. */
	bool unasked;
	struct secret *jwt;
	const char *jwt_file;
	const char *username;
	struct secret *password;
	const char *password_file;
	struct aws_config aws;
	/* Shows a person where to go with a browser; NULL where there is none. */
	void (*show)(const char *url);
	unsigned oidc_port;   /* to which the browser comes back */
	bool has_client_cert; /* and HTTPS to show it in */
};

struct auth_method {
	const char *name;
	bool borrowed; /* the token was not had by us: it is not revoked, and not kept in a cache */

	/* Whether the configuration has credentials for it: then it may be chosen unasked. NULL:
	 * it is to be named. */
	bool (*offers)(const struct auth_config *c);

	/* The file of which a change means that there is another token; NULL: there is none. */
	const char *(*watched)(const struct auth_config *c);

	/* 0, or -EINVAL with a sentence that says what to set. */
	int (*check)(const struct auth_config *c, struct err *err);

	/* A token, with what is known of it. Credentials in files are read anew each time.
	 * -EKEYREJECTED where the server refuses them; -EKEYEXPIRED for a token that is dead. */
	int (*login)(struct vault *v, const struct auth_config *c, struct limit limit,
		     struct secret **token, struct token_info *info, struct err *err);
};

extern const struct auth_method auth_command, auth_token, auth_none, auth_approle, auth_jwt,
	auth_kubernetes, auth_userpass, auth_ldap, auth_cert, auth_aws, auth_oidc;

/* The method of c->method, or the first of the table that `offers`; checked. NULL with `err` set,
 * which says what to set. */
const struct auth_method *auth_choose(const struct auth_config *c, struct err *err);

/* 0, or -EKEYREJECTED: a line break in a token would put a header of its own into each request. */
int auth_check_token(const struct secret *token, const char *what, struct err *err);

/* Whether this is the first login with `unasked`, once. */
bool auth_unasked(const struct auth_config *c);

/* A secret that is set, or else is in a file: a reference of the caller's. `what` names it. */
int auth_credential(struct secret *set, const char *file, const char *what, struct secret **out,
		    struct err *err);

/* As auth_credential(), of the password: blanks at either end of it count. */
int auth_password(const struct auth_config *c, struct secret **out, struct err *err);

/* "auth/MOUNT/REST", where MOUNT is c->mount, or `usual` where that is not set. Heap or NULL. */
char *auth_path(const struct auth_config *c, const char *usual, const char *rest);

/* Adds a member to a login's body; NULL adds none. 0 or -ENOMEM. */
int auth_add(cJSON *body, const char *name, const char *text);
int auth_add_secret(cJSON *body, const char *name, const struct secret *secret);

/* By number; NULL after the last. */
const struct auth_method *auth_method_at(size_t i);

#endif
