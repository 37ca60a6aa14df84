// SPDX-License-Identifier: Apache-2.0
/* The meaning of answers: the texts of Vault and OpenBao and the transport's faults. Each has an
 * errno, a sentence for the user, and says whether the request may be repeated (a read, or a change
 * that was perhaps made already) and whether the token was refused. */

#include "unit_support.h"

#include "vault/reply.h"

TestSuite(reply, .fini = support_fini, .timeout = 120);

#define ADDRESS "http://vault:8200"

struct row {
	long status;
	const char *body;
	int code;
	bool read_again, change_again;
};

static const struct row answers[] = {
	{400, "{\"errors\":[\"check-and-set parameter did not match the current version\"]}", EBUSY,
	 0, 0},
	{400, "{\"errors\":[\"check-and-set parameter required for this call\"]}", EINVAL, 0, 0},
	{400, "{\"errors\":[\"no data provided\"]}", EINVAL, 0, 0},
	{400, "{\"errors\":[\"missing path\"]}", EINVAL, 0, 0},
	{400, "{\"errors\":[\"missing data fields\"]}", EINVAL, 0, 0},
	{400, "{\"errors\":[\"Field validation failed: error converting input for field\"]}",
	 EINVAL, 0, 0},
	{400, "{\"errors\":[\"relative paths not supported\"]}", EINVAL, 0, 0},
	{400, "{\"errors\":[\"cannot write to a path ending in '/'\"]}", EINVAL, 0, 0},
	{400,
	 "{\"errors\":[\"Upgrading from non-versioned to versioned data. This backend will be "
	 "unavailable for a brief period and will resume service shortly.\"]}",
	 EIO, 1, 1},
	{400,
	 "{\"errors\":[\"refused JSON input due to high complexity: exceeded maximum number of "
	 "strings\"]}",
	 E2BIG, 0, 0},
	{400, "", EINVAL, 0, 0},
	{403, "{\"errors\":[\"1 error occurred:\\n\\t* permission denied\\n\\n\"]}", EACCES, 0, 0},
	{403,
	 "{\"errors\":[\"2 errors occurred:\\n\\t* permission denied\\n\\t* invalid "
	 "token\\n\\n\"]}",
	 EACCES, 0, 0},
	{403, "{\"errors\":[\"permission denied\"]}", EACCES, 0, 0},
	{403,
	 "{\"errors\":[\"preflight capability check returned 403, please ensure client's "
	 "policies\"]}",
	 EACCES, 0, 0},
	{403, "", EACCES, 0, 0},
	{404, "{\"errors\":[]}", ENOENT, 0, 0},
	{404, "", ENOENT, 0, 0},
	{404, "{\"data\":{\"data\":null,\"metadata\":{\"version\":3,\"destroyed\":false}}}", ENOENT,
	 0, 0},
	{404, "{\"errors\":[\"no handler for route \\\"x/y\\\". route entry not found.\"]}", EIO, 0,
	 0},
	{404, "{\"errors\":[\"namespace not found\"]}", EIO, 0, 0},
	{405, "{\"errors\":[\"1 error occurred:\\n\\t* unsupported operation\\n\\n\"]}", EOPNOTSUPP,
	 0, 0},
	{412, "{\"errors\":[\"required index state not present\"]}", EIO, 1, 1},
	{413, "{\"errors\":[\"http: request body too large\"]}", EFBIG, 0, 0},
	{413, "", EFBIG, 0, 0},
	{429, "{\"errors\":[\"request path \\\"p\\\": rate limit quota exceeded\"]}", EAGAIN, 1, 1},
	{429, "{\"errors\":[\"lease count quota exceeded\"]}", EAGAIN, 1, 1},
	{500, "{\"errors\":[\"JSON string value exceeds allowed length\"]}", EFBIG, 0, 0},
	{500, "{\"errors\":[\"JSON object exceeds allowed entry count\"]}", E2BIG, 0, 0},
	{500, "{\"errors\":[\"JSON array exceeds allowed element count\"]}", E2BIG, 0, 0},
	{500, "{\"errors\":[\"JSON input exceeds allowed nesting depth\"]}", E2BIG, 0, 0},
	{500, "{\"errors\":[\"JSON payload exceeds allowed token count\"]}", E2BIG, 0, 0},
	{500, "{\"errors\":[\"duplicate key 'k' in object\"]}", EINVAL, 0, 0},
	{500,
	 "{\"errors\":[\"1 error occurred:\\n\\t* put failed due to value being too large; got 9 "
	 "bytes, max: 8 bytes\\n\\n\"]}",
	 EFBIG, 0, 0},
	{500,
	 "{\"errors\":[\"1 error occurred:\\n\\t* put failed due to key being too large\\n\\n\"]}",
	 ENAMETOOLONG, 0, 0},
	{500, "{\"errors\":[\"open /vault/data/x: file name too long\"]}", ENAMETOOLONG, 0, 0},
	{500, "{\"errors\":[\"local node not active but active cluster node not found\"]}", EIO, 1,
	 1},
	{500, "{\"errors\":[\"internal error\"]}", EIO, 1, 0},
	{500, "{\"errors\":[\"active context canceled after getting state lock\"]}", EIO, 1, 0},
	{500, "", EIO, 1, 0},
	{502, "<html>Bad Gateway</html>", EIO, 1, 0},
	{503, "{\"errors\":[\"Vault is sealed\"]}", EIO, 1, 1},
	{503, "{\"errors\":[\"namespace is sealed\"]}", EIO, 1, 1},
	{503, "{\"errors\":[\"node is not active\"]}", EIO, 1, 1},
	{503, "{\"errors\":[\"no active Vault instance found\"]}", EIO, 1, 1},
	{503, "{\"errors\":[\"API access to this namespace has been locked by an administrator\"]}",
	 EIO, 1, 1},
	{503, "{\"errors\":[\"overloaded, try again later\"]}", EIO, 1, 1},
	{504, "<html>gateway timeout</html>", EIO, 1, 0},
	{301, "", EIO, 1, 1}, /* where it led was asked already */
	{307, "", EIO, 1, 1},
	{415, "{\"errors\":[\"unsupported media type\"]}", EIO, 0, 0},
	{418, "", EIO, 0, 0},
	{501, "", EIO, 0, 0},
};

/* Borrows `body`; not to be freed. */
static struct http_reply reply_of(long status, const char *body)
{
	return (struct http_reply){.fault = HTTP_ANSWERED,
				   .status = status,
				   .sent = true,
				   .body = {.data = (char *)body, .len = strlen(body)}};
}

static bool again(const char *method, const struct http_reply *reply)
{
	return reply_transient(&(struct http_request){.method = method}, reply);
}

Test(reply, each_text_has_its_errno, .init = support_init)
{
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		struct http_reply reply = reply_of(answers[i].status, answers[i].body);
		struct err err = {0};

		cr_expect_eq(reply_verdict(&reply, ADDRESS, &err), -answers[i].code, "%ld %s: %s",
			     answers[i].status, answers[i].body, err_name(err.code));
		cr_expect_eq(err.code, answers[i].code);
	}
}

Test(reply, reads_are_made_again_where_that_may_help, .init = support_init)
{
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		struct http_reply reply = reply_of(answers[i].status, answers[i].body);

		cr_expect_eq(again("GET", &reply), answers[i].read_again, "%ld %s",
			     answers[i].status, answers[i].body);
		cr_expect_eq(again("LIST", &reply), answers[i].read_again, "%ld %s",
			     answers[i].status, answers[i].body);
	}
}

/* A gateway's 502 and 504, and 500, leave open whether it was done. */
Test(reply, changes_are_made_again_only_where_they_were_surely_not_made, .init = support_init)
{
	static const char *const methods[] = {"POST", "PUT", "PATCH", "DELETE"};

	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		struct http_reply reply = reply_of(answers[i].status, answers[i].body);

		for (size_t m = 0; m < ARRAY_SIZE(methods); m++)
			cr_expect_eq(again(methods[m], &reply), answers[i].change_again,
				     "%s: %ld %s", methods[m], answers[i].status, answers[i].body);
	}
}

/* A page of a gateway says nothing of a secret; an outage it may well tell of. */
Test(reply, what_is_not_in_the_servers_form_is_somebody_elses, .init = support_init)
{
	static const char *const pages[] = {
		"<html><h1>404 Not Found</h1></html>",
		"default backend - 404",
		"404 page not found\n",
		"{}",
		"[]",
		"null",
		"\"permission denied\"",
		"{\"message\":\"no Route matched with those values\"}",
		"{\"errors\":\"permission denied\"}",
		"{\"errors\":[{\"status\":403}]}",
		"{\"data\":null}",
		"{\"errors\":[]",
		"",
	};
	static const char *const own[] = {
		"{\"errors\":[]}",
		"{\"errors\":[\"permission denied\"]}\n",
		"{\"data\":{\"data\":null,\"metadata\":{\"version\":3}}}",
		"{\"request_id\":\"x\",\"data\":null,\"warnings\":[\"Invalid path\"]}",
	};
	static const long believed[] = {400, 403, 404, 405, 413};
	static const long outages[] = {200, 204, 301, 307, 401, 418, 429, 500, 502, 503, 504, 530};
	struct http_request req = {.method = "GET", .path = "/v1/secret/data/a"};

	for (size_t s = 0; s < ARRAY_SIZE(believed); s++) {
		for (size_t i = 0; i < ARRAY_SIZE(pages); i++) {
			struct http_reply reply = reply_of(believed[s], pages[i]);

			cr_expect(reply_is_foreign(&req, &reply), "%ld %s", believed[s], pages[i]);
		}
		for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
			struct http_reply reply = reply_of(believed[s], own[i]);

			cr_expect_not(reply_is_foreign(&req, &reply), "%ld %s", believed[s],
				      own[i]);
		}
	}
	for (size_t s = 0; s < ARRAY_SIZE(outages); s++) {
		struct http_reply reply = reply_of(outages[s], "<html>");

		cr_expect_not(reply_is_foreign(&req, &reply), "%ld", outages[s]);
	}
}

Test(reply, the_server_sends_nothing_of_a_path_it_cannot_print_and_of_a_patch_of_nothing)
{
	struct http_reply unprintable = reply_of(400, ""), missing = reply_of(404, "");

	cr_assert_not(reply_is_foreign(
		&(struct http_request){.method = "GET", .path = "/v1/s/data/%C2%AD"},
		&unprintable));
	cr_assert(reply_is_foreign(&(struct http_request){.method = "GET", .path = "/v1/s/data/a"},
				   &unprintable));
	cr_assert_not(reply_is_foreign(
		&(struct http_request){.method = "PATCH", .path = "/v1/s/data/a"}, &missing));
	cr_assert(reply_is_foreign(&(struct http_request){.method = "GET", .path = "/v1/s/data/a"},
				   &missing));
}

Test(reply, what_was_surely_not_done_may_be_asked_of_another, .init = support_init)
{
	static const long unacted[] = {301, 307, 412, 429, 503}, doubtful[] = {200, 403, 500, 502};
	struct http_reply downgrade = {.fault = HTTP_DOWNGRADE, .status = 307, .sent = true};

	for (size_t i = 0; i < ARRAY_SIZE(unacted); i++)
		cr_expect(reply_unacted(&(struct http_reply){.status = unacted[i]}), "%ld",
			  unacted[i]);
	for (size_t i = 0; i < ARRAY_SIZE(doubtful); i++)
		cr_expect_not(reply_unacted(&(struct http_reply){.status = doubtful[i]}), "%ld",
			      doubtful[i]);
	cr_assert(reply_unacted(&downgrade));
}

static enum reply_blame blame_for(long status, const char *body)
{
	struct http_reply reply = reply_of(status, body);

	return reply_blame(&reply);
}

Test(reply, a_failure_is_the_paths_or_the_servers_or_nobodys)
{
	static const long nobody[] = {200, 204, 400, 404, 405, 413};
	static const long path[] = {403, 412, 429, 500, 501};
	static const long server[] = {301, 302, 307, 308, 502, 503, 504};

	for (size_t i = 0; i < ARRAY_SIZE(nobody); i++)
		cr_expect_eq(blame_for(nobody[i], ""), REPLY_BLAME_NOBODY, "%ld", nobody[i]);
	for (size_t i = 0; i < ARRAY_SIZE(path); i++)
		cr_expect_eq(blame_for(path[i], ""), REPLY_BLAME_PATH, "%ld", path[i]);
	for (size_t i = 0; i < ARRAY_SIZE(server); i++)
		cr_expect_eq(blame_for(server[i], ""), REPLY_BLAME_SERVER, "%ld", server[i]);
	cr_expect_eq(blame_for(500,
			       "{\"errors\":[\"local node not active but active cluster node not "
			       "found\"]}"),
		     REPLY_BLAME_SERVER);
}

Test(reply, no_answer_is_the_servers_failure_and_our_giving_up_is_ours)
{
	static const struct {
		enum http_fault fault;
		enum reply_blame blame;
	} rows[] = {{HTTP_NO_HOST, REPLY_BLAME_SERVER}, {HTTP_NO_CONNECT, REPLY_BLAME_SERVER},
		    {HTTP_TLS, REPLY_BLAME_SERVER},	{HTTP_TIMEOUT, REPLY_BLAME_SERVER},
		    {HTTP_BROKEN, REPLY_BLAME_SERVER},	{HTTP_NONSENSE, REPLY_BLAME_PATH},
		    {HTTP_TOO_LARGE, REPLY_BLAME_PATH}, {HTTP_DOWNGRADE, REPLY_BLAME_SERVER},
		    {HTTP_FOREIGN, REPLY_BLAME_PATH},	{HTTP_CANCELLED, REPLY_BLAME_US},
		    {HTTP_NO_MEMORY, REPLY_BLAME_US}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct http_reply reply = {.fault = rows[i].fault};

		cr_expect_eq(reply_blame(&reply), rows[i].blame, "%d", (int)rows[i].fault);
	}
}

Test(reply, success_is_success_and_says_nothing, .init = support_init)
{
	for (long status = 200; status < 300; status++) {
		struct http_reply reply = reply_of(status, "{\"errors\":[\"permission denied\"]}");
		struct err err = {0};

		cr_assert_eq(reply_verdict(&reply, ADDRESS, &err), 0);
		cr_assert_eq(err.code, 0);
		cr_assert_str_eq(err.text, "");
		cr_assert_not(again("GET", &reply));
		cr_assert_not(again("POST", &reply));
		cr_assert_eq(reply_token(&reply), REPLY_TOKEN_FINE);
	}
}

static void assert_sentence(long status, const char *body, const char *expected)
{
	struct http_reply reply = reply_of(status, body);
	struct err err = {0};

	cr_assert_lt(reply_verdict(&reply, ADDRESS, &err), 0);
	cr_assert_str_eq(err_text(&err), expected);
}

Test(reply, the_sentence_holds_the_servers_own_words, .init = support_init)
{
	assert_sentence(403, "{\"errors\":[\"permission denied\"]}",
			ADDRESS " answered 403 permission denied");
	assert_sentence(404, "{\"errors\":[]}", ADDRESS " answered 404");
	assert_sentence(503, "", ADDRESS " answered 503");
	assert_sentence(400, "{\"errors\":[\"a\",\"b\"]}", ADDRESS " answered 400 a; b");
	assert_sentence(502, "<html>Bad Gateway</html>", ADDRESS " answered 502");
}

Test(reply, gos_multierror_is_undone, .init = support_init)
{
	assert_sentence(403, "{\"errors\":[\"1 error occurred:\\n\\t* permission denied\\n\\n\"]}",
			ADDRESS " answered 403 permission denied");
	assert_sentence(403,
			"{\"errors\":[\"2 errors occurred:\\n\\t* permission denied\\n\\t* invalid "
			"token\\n\\n\"]}",
			ADDRESS " answered 403 permission denied, invalid token");
}

Test(reply, words_cannot_break_a_line, .init = support_init)
{
	struct http_reply reply = reply_of(500, "{\"errors\":[\"a\\nb\\u001b[2J\\u0000c\"]}");
	struct err err = {0};

	reply_verdict(&reply, ADDRESS, &err);
	for (const char *p = err_text(&err); *p; p++)
		cr_assert((unsigned char)*p >= 0x20 && *p != 0x7f);
}

static void assert_words(const char *body, size_t room, const char *expected)
{
	_cleanup_json_ cJSON *json = body ? support_parse(body) : NULL;
	char *words = malloc(room);

	reply_words(json, words, room);
	cr_assert_str_eq(words, expected, "%s", body ? body : "NULL");
	free(words);
}

Test(reply, words_are_those_of_errors_and_of_nothing_else, .init = support_init)
{
	assert_words(NULL, 50, "");
	assert_words("{}", 50, "");
	assert_words("[\"errors\"]", 50, "");
	assert_words("{\"errors\":null}", 50, "");
	assert_words("{\"errors\":\"x\"}", 50, "");
	assert_words("{\"errors\":[1,null,[\"y\"],\"x\",{}]}", 50, "x");
	assert_words("{\"errors\":[\"a\",\"b\",\"c\"],\"data\":{\"secret\":\"no\"}}", 50,
		     "a; b; c");
}

Test(reply, words_are_cut_to_the_room, .init = support_init)
{
	assert_words("{\"errors\":[\"abcdef\",\"ghi\"]}", 7, "abcdef");
	assert_words("{\"errors\":[\"abcdef\",\"ghi\"]}", 4, "abc");
	assert_words("{\"errors\":[\"abcdef\",\"ghi\"]}", 10, "abcdef; g");
	assert_words("{\"errors\":[\"abcdef\"]}", 1, "");
	assert_words("{\"errors\":[\"1 error occurred:\\n\\t* abc\\n\\n\"]}", 18, "");
}

Test(reply, a_refused_token_is_told_from_a_refused_path, .init = support_init)
{
	static const struct {
		long status;
		const char *body;
		enum reply_token token;
	} rows[] = {
		/* Vault: dead; a policy's refusal. */
		{403,
		 "{\"errors\":[\"2 errors occurred:\\n\\t* permission denied\\n\\t* invalid "
		 "token\\n\\n\"]}\n",
		 REPLY_TOKEN_DEAD},
		{403, "{\"errors\":[\"1 error occurred:\\n\\t* permission denied\\n\\n\"]}\n",
		 REPLY_TOKEN_FINE},
		/* OpenBao of a dead one; Vault of a missing one. */
		{403, "{\"errors\":[\"permission denied\"]}\n", REPLY_TOKEN_DOUBTFUL},
		{403, "{\"errors\":[\"preflight capability check returned 403, please ensure\"]}",
		 REPLY_TOKEN_FINE},
		{403, "", REPLY_TOKEN_FINE},
		{400, "{\"errors\":[\"permission denied\"]}", REPLY_TOKEN_FINE},
		{404, "{\"errors\":[\"invalid token\"]}", REPLY_TOKEN_FINE},
		{500, "{\"errors\":[\"invalid token\"]}", REPLY_TOKEN_FINE},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct http_reply reply = reply_of(rows[i].status, rows[i].body);

		cr_assert_eq(reply_token(&reply), rows[i].token, "%ld %s", rows[i].status,
			     rows[i].body);
	}
}

static const struct {
	enum http_fault fault;
	int code;
	bool read_again, change_again; /* of a change that may have been seen by the server */
	bool unsent_again;	       /* of one that was not */
} faults[] = {
	{HTTP_NO_HOST, EHOSTUNREACH, 1, 0, 1}, {HTTP_NO_CONNECT, EHOSTUNREACH, 1, 0, 1},
	{HTTP_TLS, EHOSTUNREACH, 0, 0, 0},     {HTTP_TIMEOUT, ETIMEDOUT, 0, 0, 0},
	{HTTP_BROKEN, EHOSTUNREACH, 1, 0, 1},  {HTTP_NONSENSE, EIO, 0, 0, 0},
	{HTTP_TOO_LARGE, EIO, 0, 0, 0},	       {HTTP_CANCELLED, EINTR, 0, 0, 0},
	{HTTP_NO_MEMORY, ENOMEM, 0, 0, 0},     {HTTP_DOWNGRADE, EIO, 0, 0, 0},
	{HTTP_FOREIGN, EIO, 0, 0, 0},
};

Test(reply, each_fault_has_its_errno_and_names_the_address, .init = support_init)
{
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		struct http_reply reply = {.fault = faults[i].fault, .why = "because"};
		struct err err = {0};

		cr_assert_eq(reply_verdict(&reply, ADDRESS, &err), -faults[i].code, "%zu", i);
		cr_assert_not_null(strstr(err_text(&err), ADDRESS ": because"), "%s",
				   err_text(&err));
		cr_assert_eq(reply_token(&reply), REPLY_TOKEN_FINE);
	}
}

Test(reply, a_change_that_may_have_been_seen_is_not_made_again, .init = support_init)
{
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		struct http_reply reply = {.fault = faults[i].fault, .sent = true};

		cr_assert_eq(again("GET", &reply), faults[i].read_again, "%zu", i);
		cr_assert_eq(again("POST", &reply), faults[i].change_again, "%zu", i);
		cr_assert_eq(again("DELETE", &reply), faults[i].change_again, "%zu", i);
		reply.sent = false;
		cr_assert_eq(again("GET", &reply), faults[i].read_again, "%zu", i);
		cr_assert_eq(again("POST", &reply), faults[i].unsent_again, "%zu", i);
	}
}

Test(reply, an_outage_is_that_nobody_could_be_asked)
{
	static const int outages[] = {EHOSTUNREACH, ETIMEDOUT, EIO, EAGAIN};
	static const int others[] = {0,		  EACCES,	ENOENT,	   EBUSY,  EINVAL,
				     EFBIG,	  E2BIG,	EINTR,	   ENOMEM, EILSEQ,
				     EKEYEXPIRED, EKEYREJECTED, EOPNOTSUPP};

	for (size_t i = 0; i < ARRAY_SIZE(outages); i++)
		cr_assert(reply_is_outage(outages[i]), "%s", err_name(outages[i]));
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		cr_assert_not(reply_is_outage(others[i]), "%s", err_name(others[i]));
}
