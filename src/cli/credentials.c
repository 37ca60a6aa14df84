// SPDX-License-Identifier: Apache-2.0
/* From options to a login method and what it needs. */

#include "cli/credentials.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int credentials_find(struct credentials *creds, const struct conf *c, struct err *err)
{
	const char *home = getenv("HOME");

	if (home && (asprintf(&creds->home_token_file, "%s/.vault-token", home) < 0 ||
		     asprintf(&creds->home_aws_file, "%s/.aws/credentials", home) < 0))
		return err_set(err, ENOMEM, "no memory");
	creds->auth = (struct auth_config){
		.method = c->auth,
		.mount = c->auth_mount,
		.role = c->role,
		.token = c->token,
		.token_file = c->token_file,
		.home_token_file = creds->home_token_file,
		.role_id = c->role_id,
		.secret_id = c->secret_id,
		.role_id_file = c->role_id_file,
		.secret_id_file = c->secret_id_file,
		.secret_id_wrapped = (enum auth_wrapped)c->secret_id_wrapped,
		.memory = &creds->memory,
		.jwt = c->jwt,
		.jwt_file = c->jwt_file,
		.username = c->username,
		.password = c->password,
		.password_file = c->password_file,
		.aws = {.id = c->aws_key_id,
			.key = c->aws_secret_key,
			.session = c->aws_session_token,
			.file = c->aws_credentials_file ? c->aws_credentials_file
							: creds->home_aws_file,
			.profile = c->aws_profile,
			.metadata = c->aws_metadata,
			.region = c->aws_region,
			.server_id = c->aws_server_id},
		.has_client_cert = c->client_cert && c->client_key && c->address &&
				   !strncmp(c->address, "https://", 8),
	};
	creds->method = auth_choose(&creds->auth, err);
	return creds->method ? 0 : -EINVAL;
}

bool credentials_in_memory(const struct credentials *creds)
{
	const struct auth_config *a = &creds->auth;

	return a->token || a->secret_id || a->jwt || a->password || a->aws.key;
}

void credentials_fini(struct credentials *creds)
{
	auth_memory_fini(&creds->memory);
	free(creds->home_token_file);
	free(creds->home_aws_file);
	*creds = (struct credentials){0};
}
