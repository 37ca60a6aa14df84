// SPDX-License-Identifier: Apache-2.0
/* Parsing the token in a login's or a renewal's answer: the token itself if requested, its life in
 * nanoseconds, and -EIO for an answer without one. The calls need a server, and are tested in
 * tests/system. */

#include "unit_support.h"

#include "vault/token.h"

TestSuite(token, .fini = support_fini, .timeout = 120);

static int from_auth(const char *auth, struct secret **token, struct token_info *info)
{
	_cleanup_json_ cJSON *json = auth ? support_parse(auth) : NULL;

	return token_from_auth(json, token, info);
}

Test(token, an_auth_gives_the_token_and_its_life, .init = support_init)
{
	_cleanup_secret_ struct secret *token = NULL;
	struct token_info info;

	cr_assert_eq(
		from_auth(
			"{\"client_token\":\"hvs.abc\",\"lease_duration\":3600,\"renewable\":true,"
			"\"num_uses\":5}",
			&token, &info),
		0);
	cr_assert_str_eq(token->bytes, "hvs.abc");
	cr_assert_eq(info.ttl, 3600 * NS_PER_SEC);
	cr_assert(info.renewable);
	cr_assert(info.known);
	cr_assert_eq(info.uses, 5);
}

Test(token, what_is_not_said_is_nothing, .init = support_init)
{
	_cleanup_secret_ struct secret *token = NULL;
	struct token_info info;

	cr_assert_eq(from_auth("{\"client_token\":\"t\"}", &token, &info), 0);
	cr_assert_eq(info.ttl, 0);
	cr_assert_not(info.renewable);
	cr_assert_eq(info.uses, 0);
}

Test(token, the_token_need_not_be_asked_for, .init = support_init)
{
	struct token_info info;

	cr_assert_eq(from_auth("{\"client_token\":\"t\",\"lease_duration\":1}", NULL, &info), 0);
	cr_assert_eq(info.ttl, NS_PER_SEC);
}

Test(token, a_life_that_makes_no_sense_is_none, .init = support_init)
{
	struct token_info info;

	cr_assert_eq(from_auth("{\"client_token\":\"t\",\"lease_duration\":-5}", NULL, &info), 0);
	cr_assert_eq(info.ttl, 0);
	cr_assert_eq(from_auth("{\"client_token\":\"t\",\"lease_duration\":\"x\"}", NULL, &info),
		     0);
	cr_assert_eq(info.ttl, 0);
}

/* Such as the first step of a login with a second factor. */
Test(token, an_answer_without_a_token_is_refused, .init = support_init)
{
	static const char *const bad[] = {NULL,
					  "null",
					  "{}",
					  "[]",
					  "{\"client_token\":\"\"}",
					  "{\"client_token\":null,\"mfa_requirement\":{}}",
					  "{\"client_token\":5}",
					  "{\"client_token\":\"a\\u0000b\"}"};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct secret *token = NULL;
		struct token_info info;

		cr_assert_eq(from_auth(bad[i], &token, &info), -EIO, "%zu", i);
		cr_assert_null(token);
	}
}
