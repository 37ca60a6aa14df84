// SPDX-License-Identifier: Apache-2.0
/* Sections for paths: which one holds, what it says, and what it lets a commit be. */

#include "unit_support.h"

#include "conf/conf.h"
#include "rule/rule_check.h"

#include <stdio.h>

static struct conf conf;

static void begin(void)
{
	clearenv();
	support_init();
	cr_assert_eq(conf_init(&conf, NULL), 0);
}

static void end(void)
{
	conf_fini(&conf);
	support_fini();
}

TestSuite(rules, .init = begin, .fini = end, .timeout = 120);

static struct rules read_rules(const char *text)
{
	_cleanup_free_ char *path = support_file("conf", text, strlen(text));
	struct err err = {0};

	cr_assert_eq(conf_read_file(&conf, path, &err), 0, "%s", err_text(&err));
	return (struct rules){conf.rules, "secret"};
}

static const char *pattern_of(const struct rule *rule)
{
	return rule ? rule->pattern : "";
}

Test(rules, the_first_that_matches_holds_with_or_without_the_engine)
{
	struct rules rules =
		read_rules("[path \"a/b/key\"]\n[path \"/a/b\"]\n[path \"secret/c*\"]\n"
			   "[path \"*/tls/[ab]?\"]\n[path \"a/*\"]\n");

	cr_assert_str_eq(pattern_of(rules_of(&rules, "a/b")), "a/b");
	cr_assert_str_eq(pattern_of(rules_of(&rules, "a/b/c")), "a/*");
	cr_assert_str_eq(pattern_of(rules_of(&rules, "c/d/e")), "secret/c*");
	cr_assert_str_eq(pattern_of(rules_of(&rules, "x/tls/b1")), "*/tls/[ab]?");
	cr_assert_str_eq(pattern_of(rules_of(&rules, "tls/b1")), "*/tls/[ab]?");
	cr_assert_null(rules_of(&rules, "a"));
	cr_assert_null(rules_of(&rules, ""));
	cr_assert_str_eq(pattern_of(rules_of_field(&rules, "a/b", "key")), "a/b/key");
	cr_assert_str_eq(pattern_of(rules_of_field(&rules, "a/b", "x")), "a/b");
	cr_assert_str_eq(pattern_of(rules_of_field(&rules, "a", "x")), "a/*");
}

Test(rules, a_long_head_counts_to_its_end)
{
	char text[180], path[150];
	struct rules rules;

	memset(path, 'p', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	snprintf(text, sizeof(text), "[path \"%s\"]\nmode = 0640\n", path);
	rules = read_rules(text);
	cr_assert_str_eq(pattern_of(rules_of(&rules, path)), path);
	cr_assert_eq(rules_of(&rules, path)->mode, 0640);
	path[sizeof(path) - 2] = '\0';
	cr_assert_null(rules_of(&rules, path));
}

Test(rules, what_a_section_does_not_say_the_options_do)
{
	struct rules rules = read_rules("[path \"a\"]\nmode=0640\nttl=0\n[path \"b\"]\nowner=7\n");
	struct access a = {1, 2, 0600, 0700};

	rule_access(rules_of(&rules, "a"), &a);
	cr_assert(a.uid == 1 && a.gid == 2 && a.mode == 0640 && a.dir_mode == 0700);
	cr_assert_eq(rules_ttl(&rules, "a", 5), 0);
	cr_assert_eq(rules_ttl(&rules, "b", 5), 5);
	cr_assert_eq(rules_ttl(&rules, "c", 5), 5);
}

static mode_t whole_mode(const struct rules *rules, const char *path)
{
	struct access a = {1, 2, 0664, 0775};

	rules_whole_access(rules, path, &a);
	return a.mode;
}

Test(rules, a_file_with_all_fields_has_what_the_strictest_leaves)
{
	struct rules rules =
		read_rules("[path \"a/b/key\"]\nmode=0600\n[path \"c/*/key\"]\nowner=9\n"
			   "[path \"secret/d/key\"]\ngroup=9\n[path \"?/b\"]\nmode=0444\n");

	cr_assert_eq(whole_mode(&rules, "a/b"), 0400);
	cr_assert_eq(whole_mode(&rules, "a/bc"), 0664);
	cr_assert_eq(whole_mode(&rules, "c/x"), 0064);
	cr_assert_eq(whole_mode(&rules, "d"), 0404);
	cr_assert_eq(whole_mode(&rules, "f/b"), 0444);
	cr_assert_eq(whole_mode(&rules, "a/c"), 0664);
}

static struct kv_version *version(const char *json)
{
	_cleanup_json_ cJSON *data = cJSON_Parse(json);
	struct kv_version *v = NULL;

	cr_assert_eq(kv_version_parse(data, NULL, &v), 0);
	return v;
}

static int check(const struct rules *rules, const char *before, const char *after)
{
	_cleanup_object_ struct kv_version *a = version(before), *b = version(after);
	struct err err = {0};
	int r = rule_check(rules, "db", a, b, &err);

	cr_assert_null(strstr(err_text(&err), "value-"), "%s", err_text(&err));
	return r;
}

Test(rules, a_commit_is_held_against_what_it_changes)
{
	struct rules rules = read_rules("[path \"db\"]\nrequire = a b\nallow = c n\nmatch.c = ^x\n"
					"match.c = y$\nmatch.n = ^[0-9]+$\nmax_size = 10\n");

	cr_assert_eq(check(&rules, "{}", "{\"a\":\"1\",\"b\":\"2\"}"), 0);
	cr_assert_eq(check(&rules, "{}", "{\"a\":\"1\",\"b\":\"2\",\"c\":\"xy\",\"n\":12}"), 0);
	cr_assert_eq(check(&rules, "{}", "{\"a\":\"1\",\"b\":\"2\",\"n\":-1}"), -EINVAL);
	cr_assert_eq(check(&rules, "{}", "{\"a\":\"1\"}"), -EINVAL);
	cr_assert_eq(check(&rules, "{\"a\":\"1\"}", "{\"a\":\"2\"}"), -EINVAL);
	cr_assert_eq(check(&rules, "{}", "{\"a\":\"1\",\"b\":\"2\",\"d\":\"\"}"), -EINVAL);
	cr_assert_eq(check(&rules, "{\"d\":\"\"}", "{\"a\":\"1\",\"b\":\"2\",\"d\":\"\"}"), 0);
	cr_assert_eq(check(&rules, "{}", "{\"a\":\"1\",\"b\":\"2\",\"c\":\"value-y\"}"), -EINVAL);
	cr_assert_eq(check(&rules, "{}", "{\"a\":\"1\",\"b\":\"2\",\"c\":\"xvalue-\"}"), -EINVAL);
	cr_assert_eq(check(&rules, "{}", "{\"a\":\"value-78901\",\"b\":\"2\"}"), -EINVAL);
	cr_assert_eq(check(&rules, "{}", "{\"a\":\"value-7890\",\"b\":\"2\"}"), 0);
	rules.first = NULL;
	cr_assert_eq(check(&rules, "{}", "{\"d\":\"\"}"), 0);
}

Test(rules, what_can_be_told_when_a_field_is_opened)
{
	struct rules rules = read_rules("[path \"db\"]\nrequire = a b\nallow = c\n");
	_cleanup_object_ struct kv_version *none = version("{}"), *a = version("{\"a\":\"1\"}");

	cr_assert_eq(rule_check_field(&rules, "db", none, "a", 1, NULL), -EINVAL);
	cr_assert_eq(rule_check_field(&rules, "db", a, "b", 1, NULL), 0);
	cr_assert_eq(rule_check_field(&rules, "db", a, "d", 1, NULL), -EINVAL);
	cr_assert_eq(rule_check_field(&rules, "other", none, "d", 1, NULL), 0);
	cr_assert(rule_requires(&rules, "db", "a", 1));
	cr_assert_not(rule_requires(&rules, "db", "c", 1));
}
