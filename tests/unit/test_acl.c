// SPDX-License-Identifier: Apache-2.0
/* The rules of a token: whether any reaches an API path or one below it. Exact rules, prefixes and "+"
 * as Vault's resultant-acl writes them: a prefix has lost its "*", but a rule with "+" keeps it
 * (vault/policy.go, "don't actually strip the trailing asterisk"). */

#include "unit_support.h"

#include "kv/acl.h"

TestSuite(acl, .fini = support_fini, .timeout = 120);

/* The answers of Vault have a member that those of OpenBao have not: they leave no rule out. */
#define VAULT	"\"chroot_namespace\":\"\""
#define MAY(p)	"\"" p "\":{\"capabilities\":[\"read\"]}"
#define DENY(p) "\"" p "\":{\"capabilities\":[\"deny\"]}"

static struct acl *acl_of(const char *text)
{
	_cleanup_json_ cJSON *data = text ? support_parse(text) : NULL;
	struct acl *acl = acl_parse(data);

	cr_assert_not_null(acl);
	return acl;
}

static void assert_reach(const char *acl_text, const char *path, enum kv_reach expected)
{
	_cleanup_object_ struct acl *acl = acl_of(acl_text);

	cr_expect_eq(acl_reach(acl, path), expected, "%s in %s", path, acl_text);
}

static const char exact[] =
	"{\"root\":false,\"exact_paths\":{" MAY("secret/data/app/db") "},\"glob_paths\":{}," VAULT
								      "}";

Test(acl, an_exact_rule_reaches_its_path_and_the_folders_above, .init = support_init)
{
	assert_reach(exact, "secret/data/app/db", KV_REACH_YES);
	assert_reach(exact, "secret/data/app", KV_REACH_YES);
	assert_reach(exact, "secret/data/", KV_REACH_YES);
	assert_reach(exact, "secret/data", KV_REACH_YES);
}

Test(acl, an_exact_rule_reaches_nothing_else, .init = support_init)
{
	assert_reach(exact, "secret/data/app/db/x", KV_REACH_NO);
	assert_reach(exact, "secret/data/app/d", KV_REACH_NO);
	assert_reach(exact, "secret/data/app/dbx", KV_REACH_NO);
	assert_reach(exact, "secret/data/ap", KV_REACH_NO);
	assert_reach(exact, "secret/data/other", KV_REACH_NO);
	assert_reach(exact, "secret/metadata/app/db", KV_REACH_NO);
}

static const char prefix[] =
	"{\"exact_paths\":{},\"glob_paths\":{" MAY("secret/data/app/") "}," VAULT "}";

Test(acl, a_prefix_reaches_all_below_and_the_folders_above, .init = support_init)
{
	assert_reach(prefix, "secret/data/app/db", KV_REACH_YES);
	assert_reach(prefix, "secret/data/app/x/y/z", KV_REACH_YES);
	assert_reach(prefix, "secret/data/app/", KV_REACH_YES);
	assert_reach(prefix, "secret/data/app", KV_REACH_YES);
	assert_reach(prefix, "secret/data/", KV_REACH_YES);
	assert_reach(prefix, "secret/data/apple", KV_REACH_NO);
	assert_reach(prefix, "secret/data/other/x", KV_REACH_NO);
}

static const char within[] = "{\"glob_paths\":{" MAY("secret/data/app") "}," VAULT "}";

Test(acl, a_prefix_may_end_within_a_name, .init = support_init)
{
	assert_reach(within, "secret/data/app", KV_REACH_YES);
	assert_reach(within, "secret/data/apple", KV_REACH_YES);
	assert_reach(within, "secret/data/apple/x", KV_REACH_YES);
	assert_reach(within, "secret/data", KV_REACH_YES);
}

/* "secret/data/ap" is no folder above "secret/data/app*". */
Test(acl, a_prefix_does_not_reach_what_its_name_only_begins_with, .init = support_init)
{
	assert_reach(within, "secret/data/ap", KV_REACH_NO);
	assert_reach(within, "secret/dat", KV_REACH_NO);
	assert_reach(prefix, "secret/data/ap", KV_REACH_NO);
}

Test(acl, the_prefix_of_everything_reaches_everything, .init = support_init)
{
	assert_reach("{\"glob_paths\":{" MAY("") "}," VAULT "}", "secret/data/x", KV_REACH_YES);
}

static const char plus[] = "{\"glob_paths\":{" MAY("secret/data/+/db") "}," VAULT "}";

Test(acl, a_plus_stands_for_one_name, .init = support_init)
{
	assert_reach(plus, "secret/data/app/db", KV_REACH_YES);
	assert_reach(plus, "secret/data/any", KV_REACH_YES);
	assert_reach(plus, "secret/data/", KV_REACH_YES);
	assert_reach(plus, "secret/data", KV_REACH_YES);
	assert_reach(plus, "secret/data/app/other", KV_REACH_NO);
	assert_reach(plus, "secret/data/a/b/db", KV_REACH_NO);
	assert_reach(plus, "secret/metadata/app/db", KV_REACH_NO);
}

/* Without a "*" it is no prefix. */
Test(acl, a_rule_with_plus_is_exact_but_for_that, .init = support_init)
{
	assert_reach(plus, "secret/data/app/db/x", KV_REACH_NO);
	assert_reach(plus, "secret/data/app/dbx", KV_REACH_NO);
	assert_reach("{\"glob_paths\":{" MAY("secret/data/+") "}," VAULT "}", "secret/data/a/b",
		     KV_REACH_NO);
	assert_reach("{\"glob_paths\":{" MAY("secret/data/+") "}," VAULT "}", "secret/data/a",
		     KV_REACH_YES);
}

static const char plus_star[] = "{\"glob_paths\":{" MAY("secret/data/+/app*") "}," VAULT "}";

Test(acl, a_star_after_a_plus_stands_for_the_rest, .init = support_init)
{
	assert_reach(plus_star, "secret/data/x/app", KV_REACH_YES);
	assert_reach(plus_star, "secret/data/x/apple", KV_REACH_YES);
	assert_reach(plus_star, "secret/data/x/apple/deep/er", KV_REACH_YES);
	assert_reach(plus_star, "secret/data/x", KV_REACH_YES);
	assert_reach(plus_star, "secret/data/x/other", KV_REACH_NO);
	assert_reach("{\"glob_paths\":{" MAY("secret/data/+/*") "}," VAULT "}", "secret/data/a/b",
		     KV_REACH_YES);
	assert_reach("{\"glob_paths\":{" MAY("secret/data/+/*") "}," VAULT "}", "secret/data/a/b/c",
		     KV_REACH_YES);
	assert_reach("{\"glob_paths\":{" MAY("+/*") "}," VAULT "}", "secret/data/a", KV_REACH_YES);
}

Test(acl, a_plus_within_a_name_is_a_plus, .init = support_init)
{
	static const char text[] = "{\"exact_paths\":{" MAY("secret/data/c++/x") "}," VAULT "}";

	assert_reach(text, "secret/data/c++/x", KV_REACH_YES);
	assert_reach(text, "secret/data/c++", KV_REACH_YES);
	assert_reach(text, "secret/data/cpp/x", KV_REACH_NO);
}

Test(acl, root_reaches_everything, .init = support_init)
{
	assert_reach("{\"root\":true," VAULT "}", "secret/data/x", KV_REACH_YES);
	assert_reach("{\"root\":true}", "anything", KV_REACH_YES);
	assert_reach("{\"root\":\"true\"," VAULT "}", "anything", KV_REACH_NO);
}

Test(acl, a_denial_reaches_nothing, .init = support_init)
{
	static const char text[] = "{\"exact_paths\":{" DENY("secret/data/a") "," MAY(
		"secret/data/b") "},"
				 "\"glob_paths\":{" DENY("secret/data/c/") "}," VAULT "}";

	assert_reach(text, "secret/data/a", KV_REACH_NO);
	assert_reach(text, "secret/data/c/x", KV_REACH_NO);
	assert_reach(text, "secret/data/b", KV_REACH_YES);
}

Test(acl, a_no_is_uncertain_where_rules_may_be_left_out, .init = support_init)
{
	static const char openbao[] =
		"{\"root\":false,\"exact_paths\":{" MAY("secret/data/a") "},\"glob_paths\":{}}";

	assert_reach(openbao, "secret/data/a", KV_REACH_YES);
	assert_reach(openbao, "secret/data/b", KV_REACH_UNKNOWN);
	assert_reach("{" VAULT "}", "secret/data/b", KV_REACH_NO);
	assert_reach("{\"chroot_namespace\":null}", "secret/data/b", KV_REACH_NO);
	assert_reach(NULL, "secret/data/a", KV_REACH_UNKNOWN);
	assert_reach("{}", "secret/data/a", KV_REACH_UNKNOWN);
}

#define WRITES(p) "\"" p "\":{\"capabilities\":[\"create\",\"update\"]}"

/* `rights`: -1 where there is a doubt. */
static void assert_tells(const char *acl_text, const char *path, int rights)
{
	_cleanup_object_ struct acl *acl = acl_of(acl_text);
	unsigned told = 0;
	bool certain = acl_tells(acl, path, &told);

	cr_expect_eq(certain ? (int)told : -1, rights, "%s in %s: %d", path, acl_text, (int)told);
}

Test(acl, rights_are_told_where_the_rules_leave_no_doubt, .init = support_init)
{
	static const char text[] = "{\"exact_paths\":{" MAY("secret/data/a") "," DENY(
		"secret/data/w/no") "},"
				    "\"glob_paths\":{" WRITES("secret/data/w/") "," MAY(
					    "secret/data/+/both") "}," VAULT "}";

	assert_tells(text, "secret/data/a", KV_READ);
	assert_tells(text, "secret/data/w/x", KV_CREATE | KV_UPDATE);
	assert_tells(text, "secret/data/w/no", 0);
	assert_tells(text, "secret/data/other", 0);
	assert_tells(text, "secret/data/w/both", -1);
	assert_tells("{\"root\":true," VAULT "}", "secret/data/x",
		     KV_CREATE | KV_READ | KV_UPDATE | KV_DELETE | KV_LIST | KV_PATCH);
}

Test(acl, rights_are_asked_for_where_a_rule_may_be_missing, .init = support_init)
{
	static const char openbao[] = "{\"exact_paths\":{" WRITES(
		"secret/data/a") "},"
				 "\"glob_paths\":{" WRITES("secret/data/w/") "}}";

	assert_tells(openbao, "secret/data/a", KV_CREATE | KV_UPDATE);
	assert_tells(openbao, "secret/data/w/x", -1);
	assert_tells(openbao, "secret/data/other", -1);
	assert_tells("{\"root\":true}", "secret/data/x",
		     KV_CREATE | KV_READ | KV_UPDATE | KV_DELETE | KV_LIST | KV_PATCH);
	assert_tells(NULL, "secret/data/a", -1);
}

/* Rules are an object; anything else is the server's mistake and not to bring us down. */
Test(acl, an_answer_that_makes_no_sense_does_no_harm, .init = support_init)
{
	static const char *const odd[] = {
		"[]",
		"1",
		"\"x\"",
		"{\"exact_paths\":null}",
		"{\"exact_paths\":1,\"glob_paths\":\"x\"}",
		"{\"exact_paths\":{\"a\":null,\"b\":[],\"c\":{\"capabilities\":\"deny\"}}}",
		"{\"exact_paths\":{\"a\":{\"capabilities\":[]},\"b\":{\"capabilities\":[1]}}}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
		_cleanup_object_ struct acl *acl = acl_of(odd[i]);

		cr_assert_neq(acl_reach(acl, "secret/data/x"), KV_REACH_YES, "%s", odd[i]);
	}
}

Test(acl, rules_in_an_array_do_no_harm, .init = support_init)
{
	_cleanup_object_ struct acl *acl =
		acl_of("{\"exact_paths\":[\"secret/data/a\"]," VAULT "}");

	cr_assert_neq(acl_reach(acl, "secret/data/x"), KV_REACH_YES);
}

Test(acl, many_rules_are_all_kept, .init = support_init)
{
	_cleanup_buf_ struct buf text = {0};

	buf_add_str(&text, "{\"exact_paths\":{");
	for (int i = 0; i < 2000; i++)
		buf_printf(&text,
			   "%s"
			   "\"secret/data/%d\":{\"capabilities\":[\"read\"]}",
			   i ? "," : "", i);
	buf_add_str(&text, "}," VAULT "}");
	assert_reach(text.data, "secret/data/0", KV_REACH_YES);
	assert_reach(text.data, "secret/data/1999", KV_REACH_YES);
	assert_reach(text.data, "secret/data/2000", KV_REACH_NO);
}

#define RIGHTS(p, r) "\"" p "\":{\"capabilities\":[" r "]}"

static void assert_write(const char *acl_text, const char *path, bool below, enum kv_reach expected)
{
	_cleanup_object_ struct acl *acl = acl_of(acl_text);

	cr_expect_eq(acl_may_write(acl, path, KV_UPDATE, below), expected, "%s in %s", path,
		     acl_text);
}

#define RULES                                                                                                                          \
	"\"exact_paths\":{" RIGHTS("s/data/one", "\"read\"") "," RIGHTS(                                                               \
		"s/data/deep/er",                                                                                                      \
		"\"upda"                                                                                                               \
		"te\"") "},\"glob_paths\":{" RIGHTS("s/data/",                                                                         \
						    "\"update\"") "," RIGHTS("s/data/prod/",                                           \
									     "\"read\"") "," RIGHTS("s/data/prod/out/",                \
												    "\"deny\"") "," RIGHTS("s/data/x/" \
															   "+/y",      \
															   "\"read\"") "}"

Test(acl, the_longest_prefix_and_the_exact_rule_tell_what_may_be_written, .init = support_init)
{
	static const char rules[] = "{" RULES "," VAULT "}";

	assert_write(rules, "s/data/a", false, KV_REACH_YES);
	assert_write(rules, "s/data/one", false, KV_REACH_NO);
	assert_write(rules, "s/data/one", true, KV_REACH_YES);
	assert_write(rules, "s/data/prod/a", false, KV_REACH_NO);
	assert_write(rules, "s/data/prod/a", true, KV_REACH_NO);
	assert_write(rules, "s/data/prod/out/a", true, KV_REACH_NO);
	assert_write(rules, "s/data/x/1/y", false, KV_REACH_UNKNOWN);
	assert_write(rules, "s/data/x/1/z", false, KV_REACH_YES);
	assert_write(rules, "other", true, KV_REACH_NO);
}

Test(acl, what_we_were_not_told_may_allow_it, .init = support_init)
{
	static const char rules[] = "{" RULES "}";

	assert_write(rules, "s/data/a", false, KV_REACH_YES);
	assert_write(rules, "s/data/one", false,
		     KV_REACH_NO); /* no other goes before an exact rule */
	assert_write(rules, "s/data/prod/a", false, KV_REACH_UNKNOWN);
	assert_write(rules, "other", true, KV_REACH_UNKNOWN);
	assert_write(NULL, "other", false, KV_REACH_YES); /* nobody told us anything: try */
	assert_write("{\"root\":true}", "other", false, KV_REACH_YES);
}

Test(acl, rights_further_below_are_rights_below, .init = support_init)
{
	static const char rules[] = "{\"exact_paths\":{" RIGHTS(
		"s/data/a/b/c",
		"\"update\"") "},\"glob_paths\":{" RIGHTS("s/data/a/", "\"read\"") "}," VAULT "}";

	assert_write(rules, "s/data/a", true, KV_REACH_YES);
	assert_write(rules, "s/data/a/b", true, KV_REACH_YES);
	assert_write(rules, "s/data/a/b", false, KV_REACH_NO);
	assert_write(rules, "s/data/a/b/c", true, KV_REACH_YES);
	assert_write(rules, "s/data/a/b/d", true, KV_REACH_NO);
}

Test(acl, a_denial_is_known_also_where_rules_are_left_out, .init = support_init)
{
	assert_reach("{\"exact_paths\":{},\"glob_paths\":{" DENY("s/data/x/") "}}", "s/data/x/y",
		     KV_REACH_NO);
	assert_reach("{\"exact_paths\":{},\"glob_paths\":{" DENY("s/data/x/") "}}", "s/data/z",
		     KV_REACH_UNKNOWN);
}

Test(acl, rules_name_what_is_in_a_folder, .init = support_init)
{
	_cleanup_object_ struct acl *acl =
		acl_of("{\"exact_paths\":{" MAY("s/data/a/b/c") "," MAY("s/metadata/a/d/") "," DENY(
			"s/"
			"data/"
			"a/no") "},\"glob_paths\":{" MAY("s/data/a/p/") "," MAY("s/data/a/"
										"q") "," MAY("s/"
											     "data/"
											     "+/r/"
											     "+") "," VAULT
												  "}}");
	static const char *const folders[] = {"s/data/a", "s/metadata/a"};
	static const char *const names[] = {"b", "d", "p", "r"};
	_cleanup_object_ struct kv_list *list = acl_named(acl, folders, 2);

	cr_assert_not_null(list);
	cr_assert_eq(list->count, 4);
	for (size_t i = 0; i < 4; i++)
		cr_expect_str_eq(list->entries[i].name, names[i]);
}
