// SPDX-License-Identifier: Apache-2.0
/* From options to a login method and its credentials. */

#include "cli/credentials.h"

#include "base/codec.h"
#include "base/log.h"
#include "base/trust.h"
#include "host/program.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

/* A descriptor can be read only once, and only by this process: the daemon is another. */
static int take_descriptor(char **file, struct secret **set, enum secret_form form,
			   const char *what, struct err *err)
{
	int fd = *file ? trust_descriptor(*file) : -1;
	int r;

	if (fd < 0)
		return 0;
	r = secret_from_fd(fd, AUTH_TEXT_MAX, form, set);
	if (fd > STDERR_FILENO)
		close(fd);
	if (r < 0)
		return err_set(err, -r, "cannot read the %s from %s: %s", what, *file,
			       r == -ENODATA ? "there is nothing in it" : strerror(-r));
	free(steal(*file));
	return 0;
}

static int take_descriptors(struct conf *c, struct err *err)
{
	int r = take_descriptor(&c->token_file, &c->token, SECRET_WORD, "token", err);

	if (r == 0)
		r = take_descriptor(&c->role_id_file, &c->role_id, SECRET_WORD, "role_id", err);
	if (r == 0)
		r = take_descriptor(&c->secret_id_file, &c->secret_id, SECRET_WORD, "secret_id",
				    err);
	if (r == 0)
		r = take_descriptor(&c->jwt_file, &c->jwt, SECRET_WORD, "JWT", err);
	if (r == 0)
		r = take_descriptor(&c->password_file, &c->password, SECRET_LINE, "password", err);
	return r;
}

static int find_home(struct credentials *creds, const struct conf *c, struct err *err)
{
	const char *home = getenv("HOME");

	if (c->home_token_file)
		creds->home_token_file = strdup(c->home_token_file);
	else if (home && asprintf(&creds->home_token_file, "%s/.vault-token", home) < 0)
		creds->home_token_file = NULL;
	if (home && asprintf(&creds->home_aws_file, "%s/.aws/credentials", home) < 0)
		creds->home_aws_file = NULL;
	if (home && (!creds->home_token_file || !creds->home_aws_file))
		return err_set(err, ENOMEM, "no memory");
	return 0;
}

int credentials_take(struct credentials *creds, struct conf *c, struct err *err)
{
	int r = find_home(creds, c, err);

	if (r == 0)
		r = take_descriptors(c, err);
	if (r < 0)
		return r;
	creds->auth = (struct auth_config){
		.method = c->auth,
		.mount = c->auth_mount,
		.role = c->role,
		.token = c->token,
		.token_file = c->token_file,
		.token_command = c->token_command,
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
			.identity_file = c->aws_identity_file,
			.role_arn = c->aws_role_arn,
			.session_name = c->aws_session_name,
			.sts = c->aws_sts,
			.container_path = c->aws_container_path,
			.container_url = c->aws_container_url,
			.container_token = c->aws_container_token,
			.container_token_file = c->aws_container_token_file,
			.region = c->aws_region,
			.server_id = c->aws_server_id},
		.oidc_port = (unsigned)c->oidc_port,
		.has_client_cert = (c->client_cert || c->client_cert_bytes) &&
				   (c->client_key || c->client_key_bytes) && c->address &&
				   !strncmp(c->address, "https://", 8),
	};
	return 0;
}

int credentials_choose(struct credentials *creds, struct err *err)
{
	creds->method = auth_choose(&creds->auth, err);
	return creds->method ? 0 : -EINVAL;
}

/* Everything that identifies this login. For a role_id file that is its content; the content of
 * other files changes while the login stays the same, so their names are used. */
static int describe(const struct auth_config *a, const struct auth_method *method,
		    const struct conf *c, char **about)
{
	_cleanup_secret_ struct secret *role_id = NULL;
	const char *const parts[] = {method->name,
				     c->address,
				     c->server_namespace,
				     a->mount,
				     a->role,
				     a->username,
				     a->jwt_file,
				     a->aws.role_arn,
				     a->aws.container_path,
				     a->aws.container_url,
				     a->aws.file,
				     a->aws.profile,
				     c->client_cert};
	_cleanup_buf_ struct buf b = {0};

	if (a->role_id || a->role_id_file)
		auth_credential(a->role_id, a->role_id_file, "role_id", &role_id, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		buf_printf(&b, "%s\n", parts[i] ? parts[i] : "");
	if (a->token_command) /* no empty row without it, which would change existing identities */
		buf_printf(&b, "%s\n", a->token_command);
	if (role_id)
		buf_printf(&b, "%016" PRIx64, stable_hash(role_id->bytes, role_id->len));
	if (a->aws.id)
		buf_printf(&b, "%016" PRIx64, stable_hash(a->aws.id->bytes, a->aws.id->len));
	*about = buf_status(&b) < 0 ? NULL : strdup(b.data);
	return *about ? 0 : -ENOMEM;
}

int credentials_find_cache(struct credentials *creds, const struct conf *c, struct err *err)
{
	struct err why = {0};
	int r;

	if (!c->token_cache || creds->method->borrowed)
		return 0;
	r = sealed_keys_take(c->offline_key, c->token_cache, &creds->cache_keys, &why);
	if (r < 0 && creds->cache_keys.no_salt) {
		log_warning("the token is not kept for the next start",
			    F_STR("file", c->token_cache), F_ERR(&why));
		return 0;
	}
	if (r < 0)
		return err_set(err, why.code, "%s", err_text(&why));
	if (r == 0 && describe(&creds->auth, creds->method, c, &creds->cache_about) < 0)
		r = err_set(err, ENOMEM, "no memory");
	if (r == 0)
		creds->cache = (struct token_cache){.path = c->token_cache,
						    .key = creds->cache_keys.key,
						    .unsalted = creds->cache_keys.unsalted,
						    .about = creds->cache_about};
	return r;
}

static int add_token(const struct auth_config *a, struct buf *to, struct err *err)
{
	_cleanup_secret_ struct secret *token = NULL;
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	int r = auth_credential(a->token, a->token_file ? a->token_file : a->home_token_file,
				"token", &token, err);

	if (r < 0)
		return r;
	EVP_Digest(token->bytes, token->len, digest, &len, EVP_sha256(), NULL);
	for (unsigned i = 0; i < len; i++)
		buf_printf(to, "%02x", digest[i]);
	return 0;
}

int credentials_find(struct credentials *creds, struct conf *c, struct err *err)
{
	int r;

	if (!c->address)
		return err_set(err, EINVAL,
			       "no server: set VAULT_ADDR, or addr= after -o or in the "
			       "configuration; or name local:FILE");
	r = credentials_take(creds, c, err);
	if (r == 0)
		r = credentials_choose(creds, err);
	return r == 0 ? credentials_find_cache(creds, c, err) : r;
}

int credentials_who(const struct credentials *creds, const struct conf *c, char **who,
		    struct err *err)
{
	_cleanup_free_ char *about = NULL;
	_cleanup_buf_ struct buf b = {0};
	int r = describe(&creds->auth, creds->method, c, &about) < 0 ? -ENOMEM : 0;

	if (r == 0)
		buf_add_str(&b, about);
	if (r == 0 && creds->method == &auth_token)
		r = add_token(&creds->auth, &b, err);
	if (r == -ENOMEM || buf_status(&b) < 0)
		return err_set(err, ENOMEM, "no memory");
	if (r < 0)
		return r;
	*who = strdup(b.data);
	return *who ? 0 : err_set(err, ENOMEM, "no memory");
}

int credentials_fork(struct credentials *creds, const char *dir, struct err *err)
{
	if (creds->method != &auth_command || creds->program)
		return 0;
	creds->auth.program = creds->program = program_new(dir, err);
	return creds->program ? 0 : -err->code;
}

void credentials_fini(struct credentials *creds)
{
	program_free(creds->program);
	auth_memory_fini(&creds->memory);
	sealed_keys_fini(&creds->cache_keys);
	free(creds->cache_about);
	free(creds->home_token_file);
	free(creds->home_aws_file);
	*creds = (struct credentials){0};
}
