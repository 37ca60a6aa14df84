/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_CREDENTIALS_H
#define CLI_CREDENTIALS_H

#include "auth/method.h"
#include "conf/conf.h"

/* What we log in with, as the options have it. */
struct credentials {
	struct auth_config auth;
	struct auth_memory memory;
	const struct auth_method *method;
	char *home_token_file, *home_aws_file;
};

/* Chooses the method. Borrows `c` until credentials_fini(), which is fine for one that was never
 * filled. 0 or -EINVAL with a sentence that says what to set. */
int credentials_find(struct credentials *creds, const struct conf *c, struct err *err);
void credentials_fini(struct credentials *creds);

/* Whether there are any in memory already, which then must be locked. */
bool credentials_in_memory(const struct credentials *creds);

#endif
