// SPDX-License-Identifier: Apache-2.0
/* Where AWS keys are found: the environment before the file, the profile that is meant in it, and what
 * is said where there are none. The instance's metadata are tested in tests/system. */

#include "unit_support.h"

#include "aws/aws_credentials.h"

#include <stdio.h>

TestSuite(aws_credentials, .fini = support_fini, .timeout = 120);

#define NOWHERE "http://127.0.0.1:1" /* in place of an instance's metadata */

static char *some_file(const char *text)
{
	return support_file("credentials", text, strlen(text));
}

static void assert_found(const struct aws_config *c, const char *id, const char *key,
			 const char *session)
{
	_cleanup_aws_keys_ struct aws_keys keys = {0};
	struct err err = {0};

	cr_assert_eq(aws_credentials_get(c, support_limit(), &keys, &err), 0, "%s", err_text(&err));
	cr_assert_str_eq(keys.id->bytes, id);
	cr_assert_str_eq(keys.key->bytes, key);
	if (session)
		cr_assert_str_eq(keys.session->bytes, session);
	else
		cr_assert_null(keys.session);
}

Test(aws_credentials, the_environment_comes_first, .init = support_init)
{
	_cleanup_free_ char *file = some_file("[default]\naws_access_key_id=f\n"
					      "aws_secret_access_key=f\n");
	_cleanup_secret_ struct secret *id = secret_new("id", 2), *key = secret_new("key", 3),
				       *session = secret_new("session", 7);

	assert_found(&(struct aws_config){.id = id, .key = key, .file = file}, "id", "key", NULL);
	assert_found(&(struct aws_config){.id = id, .key = key, .session = session}, "id", "key",
		     "session");
}

Test(aws_credentials, the_file_has_profiles, .init = support_init)
{
	char line[3000], text[4000];
	_cleanup_free_ char *file = NULL;

	memset(line, 's', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	snprintf(text, sizeof(text),
		 "# keys\n[other]\naws_access_key_id = no\n\n"
		 "[default]\r\n aws_access_key_id = one \r\naws_secret_access_key=a/b+c=\r\n"
		 "; aws_session_token = no\nregion = mars\n"
		 "[work]\naws_access_key_id=two\naws_secret_access_key=k\naws_session_token=%s",
		 line);
	file = some_file(text);
	assert_found(&(struct aws_config){.file = file}, "one", "a/b+c=", NULL);
	assert_found(&(struct aws_config){.file = file, .profile = "work"}, "two", "k", line);
}

Test(aws_credentials, none_says_where_it_looked, .init = support_init)
{
	_cleanup_free_ char *file = some_file("[other]\naws_access_key_id=id\n"
					      "aws_secret_access_key=hidden\n"
					      "[half]\naws_access_key_id=id\n");
	static const char *const profiles[] = {NULL, "half", "missing", "othe"};

	for (size_t i = 0; i < ARRAY_SIZE(profiles); i++) {
		const struct aws_config c = {
			.file = file, .profile = profiles[i], .metadata = NOWHERE};
		struct aws_keys keys = {0};
		struct err err = {0};

		cr_assert_eq(aws_credentials_get(&c, support_limit(), &keys, &err), -EKEYREJECTED);
		cr_assert_null(keys.id);
		cr_assert_null(keys.key);
		cr_assert_not_null(strstr(err_text(&err), "AWS_ACCESS_KEY_ID"));
		cr_assert_not_null(strstr(err_text(&err), file));
		cr_assert_not_null(strstr(err_text(&err), profiles[i] ? profiles[i] : "default"));
		cr_assert_not_null(strstr(err_text(&err), NOWHERE));
		cr_assert_null(strstr(err_text(&err), "hidden"));
	}
}
