/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_CREDENTIALS_H
#define CLI_CREDENTIALS_H

#include "auth/method.h"
#include "conf/conf.h"
#include "store/sealed.h"
#include "store/token_cache.h"

/* The credentials that the options configure. */
struct credentials {
	struct auth_config auth;
	struct auth_memory memory;
	const struct auth_method *method;
	char *home_token_file, *home_aws_file;
	struct token_cache cache; /* `path` is NULL: there is none */
	struct sealed_keys cache_keys;
	char *cache_about;
	struct program *program; /* runs token_command; NULL: not needed */
};

/* Takes the credentials of `c`; reads those in descriptors ("-", "/dev/fd/N") here, once, and
 * closes the descriptors. Borrows `c` until credentials_fini(), which may also be called for an
 * empty struct. 0 or -errno. */
int credentials_take(struct credentials *creds, struct conf *c, struct err *err);

/* Chooses the method. 0 or -EINVAL with a sentence that says what to set. */
int credentials_choose(struct credentials *creds, struct err *err);
/* Fills `cache` if the method logs in and a file is configured. Call it after
 * credentials_choose(). */
int credentials_find_cache(struct credentials *creds, const struct conf *c, struct err *err);

/* A text that identifies this login, with a hash of a given token; heap. 0 or -errno. */
int credentials_who(const struct credentials *creds, const struct conf *c, char **who,
		    struct err *err);

/* Takes, chooses and finds the cache in one call; -EINVAL if there is no server to log in to. */
int credentials_find(struct credentials *creds, struct conf *c, struct err *err);

/* Forks the helper of a login, which must hold no secret. Call it before there are threads, in the
 * process that will log in. `dir`: where commands run; NULL: the present directory. 0 or -errno. */
int credentials_fork(struct credentials *creds, const char *dir, struct err *err);

void credentials_fini(struct credentials *creds);

#endif
