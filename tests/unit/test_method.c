// SPDX-License-Identifier: Apache-2.0
/* Which way to log in is chosen: the one that is named, else by the credentials that there are; and
 * that a message about a missing one says what to set. Also what is refused before a server is
 * asked. */

#include "unit_support.h"

#include "auth/method.h"

TestSuite(method, .fini = support_fini, .timeout = 120);

static struct secret *some_secret(void)
{
	return secret_new("s3cret", 6);
}

static void assert_chosen(const struct auth_config *c, const struct auth_method *expected)
{
	struct err err = {0};
	const struct auth_method *m = auth_choose(c, &err);

	cr_assert_eq(m, expected, "%s", m ? m->name : err_text(&err));
}

/* `words`, parted by blanks: all of them must be said. */
static void assert_refused(const struct auth_config *c, const char *words)
{
	_cleanup_free_ char *copy = strdup(words);
	struct err err = {0};

	cr_assert_null(auth_choose(c, &err));
	cr_assert_eq(err.code, EINVAL);
	for (char *rest = copy, *word; (word = strsep(&rest, " "));)
		cr_assert_not_null(strstr(err_text(&err), word), "no %s in: %s", word,
				   err_text(&err));
	cr_assert_null(strstr(err_text(&err), "s3cret"));
}

Test(method, the_credentials_choose, .init = support_init)
{
	_cleanup_secret_ struct secret *s = some_secret();
	_cleanup_free_ char *home = support_file("token", "t", 1);

	assert_chosen(&(struct auth_config){.token = s}, &auth_token);
	assert_chosen(&(struct auth_config){.token_file = "/nowhere"}, &auth_token);
	assert_chosen(&(struct auth_config){.home_token_file = home}, &auth_token);
	assert_chosen(&(struct auth_config){.role_id = s, .secret_id = s}, &auth_approle);
	assert_chosen(&(struct auth_config){.role_id = s, .secret_id_file = "/x"}, &auth_approle);
	assert_chosen(&(struct auth_config){.role_id_file = "/x", .secret_id = s}, &auth_approle);
	assert_chosen(&(struct auth_config){.role_id_file = "/x", .secret_id_file = "/x"},
		      &auth_approle);
}

Test(method, a_token_comes_before_an_approle, .init = support_init)
{
	_cleanup_secret_ struct secret *s = some_secret();
	_cleanup_free_ char *home = support_file("token", "t", 1);

	assert_chosen(&(struct auth_config){.token = s, .role_id = s, .secret_id = s}, &auth_token);
	assert_chosen(&(struct auth_config){.home_token_file = home, .role_id = s, .secret_id = s},
		      &auth_token);
}

Test(method, a_home_file_that_is_not_there_is_no_credential, .init = support_init)
{
	_cleanup_secret_ struct secret *s = some_secret();
	_cleanup_free_ char *missing = support_path("missing");

	assert_chosen(
		&(struct auth_config){.home_token_file = missing, .role_id = s, .secret_id = s},
		&auth_approle);
	assert_refused(&(struct auth_config){.home_token_file = missing}, "VAULT_TOKEN");
}

Test(method, the_named_one_is_taken, .init = support_init)
{
	_cleanup_secret_ struct secret *s = some_secret();

	assert_chosen(
		&(struct auth_config){
			.method = "approle", .token = s, .role_id = s, .secret_id = s},
		&auth_approle);
	/* A role may need no secret_id: the server says so where it does. */
	assert_chosen(&(struct auth_config){.method = "approle", .role_id = s}, &auth_approle);
	assert_chosen(
		&(struct auth_config){.method = "token", .token = s, .role_id = s, .secret_id = s},
		&auth_token);
	assert_chosen(&(struct auth_config){.method = "token", .home_token_file = "/nowhere"},
		      &auth_token);
}

Test(method, no_credentials_at_all_says_what_to_set, .init = support_init)
{
	_cleanup_secret_ struct secret *s = some_secret();

	assert_refused(&(struct auth_config){0},
		       "VAULT_TOKEN token_file= ~/.vault-token VAULT_ROLE_ID VAULT_SECRET_ID");
	assert_refused(&(struct auth_config){.role_id = s}, "VAULT_TOKEN VAULT_SECRET_ID");
}

Test(method, a_command_for_a_token_is_a_token_too, .init = support_init)
{
	_cleanup_secret_ struct secret *s = some_secret();
	_cleanup_free_ char *home = support_file("token", "t", 1);

	assert_chosen(&(struct auth_config){.token_command = "c", .home_token_file = home},
		      &auth_command);
	assert_chosen(&(struct auth_config){.method = "token", .token_command = "c"},
		      &auth_command);
	assert_chosen(&(struct auth_config){.token_command = "c", .role_id = s, .secret_id = s},
		      &auth_command);
	assert_chosen(
		&(struct auth_config){.method = "approle", .token_command = "c", .role_id = s},
		&auth_approle);
	assert_chosen(&(struct auth_config){.method = "none", .token = s}, &auth_none);
	assert_refused(&(struct auth_config){.method = "command", .token = s},
		       "auth=command token_command=CMD");
}

Test(method, the_named_one_says_what_it_misses, .init = support_init)
{
	_cleanup_secret_ struct secret *s = some_secret();

	assert_refused(&(struct auth_config){.method = "token"},
		       "auth=token VAULT_TOKEN token_file= ~/.vault-token");
	assert_refused(&(struct auth_config){.method = "approle"},
		       "auth=approle VAULT_ROLE_ID role_id_file=");
	assert_refused(&(struct auth_config){.method = "approle", .secret_id = s, .token = s},
		       "auth=approle VAULT_ROLE_ID role_id_file=");
}

Test(method, the_others_are_to_be_named, .init = support_init)
{
	_cleanup_secret_ struct secret *s = some_secret();

	assert_refused(&(struct auth_config){.jwt = s, .username = "bob", .password = s},
		       "VAULT_TOKEN auth=METHOD");
	assert_chosen(&(struct auth_config){.method = "jwt", .jwt_file = "/x"}, &auth_jwt);
	assert_chosen(&(struct auth_config){.method = "kubernetes", .role = "app"},
		      &auth_kubernetes);
	assert_chosen(&(struct auth_config){.method = "userpass", .username = "bob", .password = s},
		      &auth_userpass);
	assert_chosen(
		&(struct auth_config){.method = "ldap", .username = "bob", .password_file = "/x"},
		&auth_ldap);
	assert_chosen(&(struct auth_config){.method = "cert", .has_client_cert = true}, &auth_cert);
	assert_chosen(&(struct auth_config){.method = "aws"}, &auth_aws);
}

Test(method, the_others_say_what_they_miss, .init = support_init)
{
	assert_refused(&(struct auth_config){.method = "jwt"}, "VAULT_ID_TOKEN jwt_file=");
	assert_refused(&(struct auth_config){.method = "kubernetes"}, "role=");
	assert_refused(&(struct auth_config){.method = "userpass"}, "auth=userpass username=");
	assert_refused(&(struct auth_config){.method = "ldap", .username = "bob"},
		       "auth=ldap VAULT_PASSWORD password_file=");
	assert_refused(&(struct auth_config){.method = "ldap", .username = "a/b"}, "a/b slash");
	assert_refused(&(struct auth_config){.method = "cert"},
		       "client_cert= client_key= https://");
	assert_refused(&(struct auth_config){.method = "oidc"}, "vaultfs login oidc");
	assert_refused(&(struct auth_config){.method = "aws", .aws = {.region = "a/b"}},
		       "aws_region=a/b");
}

Test(method, an_unknown_one_is_told_which_there_are, .init = support_init)
{
	_cleanup_secret_ struct secret *s = some_secret();

	assert_refused(&(struct auth_config){.method = "magic", .token = s}, "magic token approle");
	assert_refused(&(struct auth_config){.method = "", .token = s}, "token approle");
	assert_refused(&(struct auth_config){.method = "Token", .token = s}, "Token approle");
}

Test(method, a_credential_is_the_one_that_is_set, .init = support_init)
{
	_cleanup_secret_ struct secret *s = some_secret(), *out = NULL;

	cr_assert_eq(auth_credential(s, "/nowhere", "token", &out, NULL), 0);
	cr_assert_eq(out, s);
	cr_assert_eq(s->refs, 2);
}

Test(method, a_credential_in_a_file_is_read_anew_each_time, .init = support_init)
{
	_cleanup_free_ char *path = support_file("id", " first\n", 7);
	_cleanup_secret_ struct secret *a = NULL, *b = NULL;

	cr_assert_eq(auth_credential(NULL, path, "role_id", &a, NULL), 0);
	free(support_file("id", "second", 6));
	cr_assert_eq(auth_credential(NULL, path, "role_id", &b, NULL), 0);
	cr_assert_str_eq(a->bytes, "first");
	cr_assert_str_eq(b->bytes, "second");
}

Test(method, a_file_that_cannot_be_read_is_named, .init = support_init)
{
	_cleanup_free_ char *missing = support_path("missing"),
			    *empty = support_file("empty", "\n", 1);
	struct secret *out = NULL;
	struct err err = {0};

	cr_assert_eq(auth_credential(NULL, missing, "secret_id", &out, &err), -ENOENT);
	cr_assert_not_null(strstr(err_text(&err), "secret_id"));
	cr_assert_not_null(strstr(err_text(&err), missing));
	cr_assert_eq(auth_credential(NULL, empty, "secret_id", &out, &err), -ENODATA);
	cr_assert_not_null(strstr(err_text(&err), "empty"));
	cr_assert_null(out);
}

/* A line break in it would be a header of its own in each request: there is no server to ask here, so
 * that it is refused before. */
Test(method, a_token_with_blanks_in_it_is_refused_unasked, .init = support_init)
{
	static const char *const tokens[] = {
		"a b", "a\nX-Vault-Namespace: root", "a\r\nb", "a\x7f", "a\xc3\xa9", "\ta"};

	for (size_t i = 0; i < ARRAY_SIZE(tokens); i++) {
		_cleanup_secret_ struct secret *s = secret_new(tokens[i], strlen(tokens[i]));
		const struct auth_config c = {.token = s};
		struct secret *out = NULL;
		struct token_info info;
		struct err err = {0};

		cr_assert_eq(auth_token.login(NULL, &c, support_limit(), &out, &info, &err),
			     -EKEYREJECTED, "%zu", i);
		cr_assert_null(out);
		cr_assert_null(strstr(err_text(&err), "Namespace"), "the token is in the sentence");
	}
}

Test(method, a_login_without_its_file_fails_unasked, .init = support_init)
{
	_cleanup_free_ char *missing = support_path("missing");
	_cleanup_secret_ struct secret *s = some_secret();
	const struct auth_config token = {.token_file = missing};
	const struct auth_config approle = {.role_id = s, .secret_id_file = missing};
	struct secret *out = NULL;
	struct token_info info;
	struct err err = {0};

	cr_assert_eq(auth_token.login(NULL, &token, support_limit(), &out, &info, &err), -ENOENT);
	cr_assert_not_null(strstr(err_text(&err), missing));
	cr_assert_eq(auth_approle.login(NULL, &approle, support_limit(), &out, &info, &err),
		     -ENOENT);
	cr_assert_not_null(strstr(err_text(&err), "secret_id"));
}
