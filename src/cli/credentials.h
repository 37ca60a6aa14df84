/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_CREDENTIALS_H
#define CLI_CREDENTIALS_H

#include "auth/method.h"
#include "conf/conf.h"
#include "store/sealed.h"
#include "store/token_cache.h"

/* What we log in with, as the options have it. */
struct credentials {
	struct auth_config auth;
	struct auth_memory memory;
	const struct auth_method *method;
	char *home_token_file, *home_aws_file;
	struct token_cache cache; /* `path` is NULL where there is none */
	struct sealed_keys cache_keys;
	char *cache_about;
	struct program *program; /* that runs token_command; NULL: none does */
};

/* Takes over what `c` says; what is to be read from descriptors ("-", "/dev/fd/N") is read here, once,
 * and the descriptors are closed. Borrows `c` until credentials_fini(), which is fine for one that was
 * never filled. 0 or -errno. */
int credentials_take(struct credentials *creds, struct conf *c, struct err *err);

/* Chooses the method. 0 or -EINVAL with a sentence that says what to set. */
int credentials_choose(struct credentials *creds, struct err *err);
/* Fills `cache`, for a method that logs in and if a file is configured. After the above. */
int credentials_find_cache(struct credentials *creds, const struct conf *c, struct err *err);

/* What tells this login from others, with a hash of a token that was given; heap. 0 or -errno. */
int credentials_who(const struct credentials *creds, const struct conf *c, char **who,
		    struct err *err);

/* All of these, where there is a server to log in to: else -EINVAL. */
int credentials_find(struct credentials *creds, struct conf *c, struct err *err);

/* Forks what a login needs that must hold no secret: before there are threads, by the process that
 * will log in. `dir`: where commands run, or NULL for where we are. 0 or -errno. */
int credentials_fork(struct credentials *creds, const char *dir, struct err *err);

void credentials_fini(struct credentials *creds);

#endif
