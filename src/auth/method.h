/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_METHOD_H
#define AUTH_METHOD_H

#include "aws/aws_credentials.h"
#include "vault/token.h"

struct program;

/* The ways to get a token. One row each; auth/method.c holds the table. */

#define AUTH_TEXT_MAX (64u << 10) /* bytes of a token or an id in a file */

/* State of a method between logins; only one thread at a time uses it. */
struct auth_memory {
	struct secret *wrapping, *unwrapped; /* the last wrapping token, and its content */
	bool taken;			     /* see auth_config.unasked */
};
void auth_memory_fini(struct auth_memory *m);

enum auth_wrapped { AUTH_WRAPPED_AUTO, AUTH_WRAPPED_YES, AUTH_WRAPPED_NO };

/* Strings and secrets are borrowed; NULL: not set. */
struct auth_config {
	const char *method; /* a name of the table; NULL: chosen by the credentials */
	const char *mount;  /* the method's mount path in the server; NULL: its usual one */
	const char *role;
	struct secret *token;
	const char *token_file;
	const char *token_command;
	struct program *program;     /* runs it */
	const char *home_token_file; /* "~/.vault-token", with ~ resolved */
	struct secret *role_id, *secret_id;
	const char *role_id_file, *secret_id_file;
	enum auth_wrapped secret_id_wrapped;
	struct auth_memory *memory;
	/* Use a given token without asking the server about it at first: the first request tells
	 * whether it is good. For commands that make few requests and end, so that a token with one
	 * use left is not spent on the question. */
	bool unasked;
	struct secret *jwt;
	const char *jwt_file;
	const char *username;
	struct secret *password;
	const char *password_file;
	struct aws_config aws;
	/* Shows a person the URL to open in a browser; NULL: there is nobody. */
	void (*show)(const char *url);
	unsigned oidc_port;   /* to which the browser is redirected */
	bool has_client_cert; /* and an https:// address to show it to */
};

struct auth_method {
	const char *name;
	bool borrowed; /* we did not obtain the token: do not revoke it, or keep it in a cache */

	/* Whether the configuration has credentials for it, so that it may be chosen by itself.
	 * NULL: it must be named. */
	bool (*offers)(const struct auth_config *c);

	/* The file whose change means a new token; NULL: there is none. */
	const char *(*watched)(const struct auth_config *c);

	/* 0, or -EINVAL with a sentence that says what to set. */
	int (*check)(const struct auth_config *c, struct err *err);

	/* Returns a token and its properties. Reads credentials from files anew each time.
	 * -EKEYREJECTED if the server refuses them; -EKEYEXPIRED for a dead token. */
	int (*login)(struct vault *v, const struct auth_config *c, struct limit limit,
		     struct secret **token, struct token_info *info, struct err *err);
};

extern const struct auth_method auth_command, auth_token, auth_none, auth_approle, auth_jwt,
	auth_kubernetes, auth_userpass, auth_ldap, auth_cert, auth_aws, auth_oidc;

/* The method c->method, or the first of the table that `offers`; checked. NULL with `err` set,
 * which says what to set. */
const struct auth_method *auth_choose(const struct auth_config *c, struct err *err);

/* 0, or -EKEYREJECTED: a line break in a token would add a header of its own to each request. */
int auth_check_token(const struct secret *token, const char *what, struct err *err);

/* Whether this is the first login with `unasked`; true once. */
bool auth_unasked(const struct auth_config *c);

/* The secret that is set, or else the one in the file; the caller puts it. `what` names it in
 * errors. */
int auth_credential(struct secret *set, const char *file, const char *what, struct secret **out,
		    struct err *err);

/* The password, set or from its file; blanks at its ends are part of it. */
int auth_password(const struct auth_config *c, struct secret **out, struct err *err);

/* "auth/MOUNT/REST", where MOUNT is c->mount, or `usual` if that is not set. Heap or NULL. */
char *auth_path(const struct auth_config *c, const char *usual, const char *rest);

/* Adds a member to a login's body; NULL adds none. 0 or -ENOMEM. */
int auth_add(cJSON *body, const char *name, const char *text);
int auth_add_secret(cJSON *body, const char *name, const struct secret *secret);

/* The i-th method; NULL after the last. */
const struct auth_method *auth_method_at(size_t i);

#endif
