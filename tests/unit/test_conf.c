// SPDX-License-Identifier: Apache-2.0
/* The layers of configuration: the file, the environment, -o, each overriding the ones before;
 * which variable wins; credentials leave the environment and never come from the command line; and
 * an error names its layer and line. */

#include "unit_support.h"

#include "conf/conf.h"

#include <stdio.h>

extern char **environ;

static struct conf conf;

/* Removes variables of the person who runs the tests. */
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

TestSuite(conf, .init = begin, .fini = end, .timeout = 120);

static void read_file(const char *text)
{
	_cleanup_free_ char *path = support_file("conf", text, strlen(text));
	struct err err = {0};

	cr_assert_eq(conf_read_file(&conf, path, &err), 0, "%s", err_text(&err));
}

static void read_environment(void)
{
	struct err err = {0};

	cr_assert_eq(conf_read_environment(&conf, &err), 0, "%s", err_text(&err));
}

static void read_options(const char *options)
{
	struct err err = {0};

	cr_assert_eq(conf_read_options(&conf, options, &err), 0, "%s: %s", options, err_text(&err));
}

Test(conf, layers_override_in_order)
{
	read_file("addr = https://file\nttl = 1m\nrate = 7\nro = yes\n");
	setenv("VAULT_ADDR", "https://environment", 1);
	setenv("VAULT_CLIENT_TIMEOUT", "7s", 1);
	read_environment();
	cr_assert_str_eq(conf.address, "https://environment");
	cr_assert_eq(conf.ttl, 60 * NS_PER_SEC);
	read_options("addr=https://command,ttl=2m,ro=no");
	cr_assert_str_eq(conf.address, "https://command");
	cr_assert_eq(conf.ttl, 120 * NS_PER_SEC);
	cr_assert_eq(conf.timeout, 7 * NS_PER_SEC);
	cr_assert_eq(conf.rate, 7);
	cr_assert_not(conf.read_only);
}

/* The file. */

Test(conf, a_file_holds_options_comments_and_blank_lines)
{
	read_file("# a comment\n; another\n\nttl=30s\n  \nca_cert = /etc/ca.pem\nnamespace = a b\n"
		  "allow_other = yes\n");
	cr_assert_eq(conf.ttl, 30 * NS_PER_SEC);
	cr_assert_str_eq(conf.ca_cert, "/etc/ca.pem");
	cr_assert_str_eq(conf.server_namespace, "a b");
	cr_assert(conf.allow_other);
	read_file("");
}

static void assert_file_refused(const char *text, const char *line, const char *words)
{
	_cleanup_free_ char *path = support_file("conf", text, strlen(text));
	struct err err = {0};

	cr_expect_eq(conf_read_file(&conf, path, &err), -EINVAL, "%s", text);
	cr_expect_eq(err.code, EINVAL);
	cr_expect_not_null(strstr(err_text(&err), line), "no %s in: %s", line, err_text(&err));
	cr_expect_not_null(strstr(err_text(&err), path), "the file is not named: %s",
			   err_text(&err));
	cr_expect_not_null(strstr(err_text(&err), words), "no %s in: %s", words, err_text(&err));
}

Test(conf, a_mistake_in_a_file_is_told_with_its_line)
{
	assert_file_refused("ttl = 1m\n\nttl = never\n", "line 3", "ttl=never");
	assert_file_refused("# x\nttk = 1m\n", "line 2", "no option ttk");
	assert_file_refused("ttl = 1m\n[path]\nmode = 0600\n", "line 2", "[path]");
	assert_file_refused("ttl = 1m\nttl = 2m\nwhat is this\n", "line 3", "NAME = VALUE");
	assert_file_refused("rate = 1000001\n", "line 1", "out of bounds");
}

Test(conf, of_two_mistakes_the_first_is_told)
{
	assert_file_refused("ttl = 1m\nrate = many\nttl = never\n", "line 2", "rate=many");
	assert_file_refused("rate = many\nwhat is this\n", "line 1", "rate=many");
	assert_file_refused("what is this\nrate = many\n", "line 1", "NAME = VALUE");
}

Test(conf, a_credential_is_not_taken_from_the_file)
{
	assert_file_refused("ttl = 1m\ntoken = s3cret\n", "line 2", "token");
	_cleanup_free_ char *path = support_path("conf");
	struct err err = {0};

	cr_assert_eq(conf_read_file(&conf, path, &err), -EINVAL);
	cr_assert_null(strstr(err_text(&err), "s3cret"));
}

/* The library that reads it takes lines of 199 bytes and would make two lines of a longer one. */
Test(conf, a_long_line_is_not_read_as_two)
{
	char line[600];
	int n = snprintf(line, sizeof(line), "namespace = %0187dttl = 3s\n", 0);

	cr_assert_lt(n, (int)sizeof(line));
	_cleanup_free_ char *path = support_file("conf", line, strlen(line));

	if (conf_read_file(&conf, path, NULL) == 0)
		cr_assert_eq(strlen(conf.server_namespace), strlen("ttl = 3s") + 187);
	cr_assert_eq(conf.ttl, 300 * NS_PER_SEC, "the end of a line was taken for a line");
}

Test(conf, a_long_line_is_taken_or_refused_as_the_line_that_it_is)
{
	char line[600];
	struct err err = {0};

	snprintf(line, sizeof(line), "ca_cert = /%0300d\nttl = 1m\n", 0);
	_cleanup_free_ char *path = support_file("conf", line, strlen(line));

	if (conf_read_file(&conf, path, &err) == 0)
		cr_assert_eq(strlen(conf.ca_cert), 301);
	else
		cr_assert_not_null(strstr(err_text(&err), "line 1"), "%s", err_text(&err));
}

/* The library would take it for more of the line above. */
Test(conf, an_indented_line_is_a_line)
{
	read_file("addr = https://a\n  ttl = 1m\n\trate = 7\n");
	cr_assert_str_eq(conf.address, "https://a");
	cr_assert_eq(conf.ttl, 60 * NS_PER_SEC);
	cr_assert_eq(conf.rate, 7);
}

Test(conf, a_file_that_cannot_be_read_is_named)
{
	_cleanup_free_ char *missing = support_path("missing");
	struct err err = {0};

	cr_assert_eq(conf_read_file(&conf, missing, &err), -ENOENT);
	cr_assert_not_null(strstr(err_text(&err), missing), "%s", err_text(&err));
	cr_assert_lt(conf_read_file(&conf, support_dir(), &err), 0);
	cr_assert_eq(conf_read_file(&conf, missing, NULL), -ENOENT);
}

/* The environment. */

Test(conf, each_variable_sets_its_option)
{
	setenv("VAULT_NAMESPACE", "team", 1);
	setenv("VAULT_CACERT", "/ca", 1);
	setenv("VAULT_CAPATH", "/cas", 1);
	setenv("VAULT_CLIENT_CERT", "/cert", 1);
	setenv("VAULT_CLIENT_KEY", "/key", 1);
	setenv("VAULT_TLS_SERVER_NAME", "name", 1);
	setenv("VAULT_SKIP_VERIFY", "true", 1);
	setenv("VAULT_MAX_RETRIES", "5", 1);
	setenv("VAULT_MOUNT", "kv/app", 1);
	setenv("VAULT_LOG_LEVEL", "debug", 1);
	read_environment();
	cr_assert_str_eq(conf.server_namespace, "team");
	cr_assert_str_eq(conf.ca_cert, "/ca");
	cr_assert_str_eq(conf.ca_path, "/cas");
	cr_assert_str_eq(conf.client_cert, "/cert");
	cr_assert_str_eq(conf.client_key, "/key");
	cr_assert_str_eq(conf.tls_server_name, "name");
	cr_assert(conf.tls_skip_verify);
	cr_assert_eq(conf.max_retries, 5);
	cr_assert_str_eq(conf.source, "kv/app");
	cr_assert_str_eq(conf.log_level, "debug");
}

Test(conf, the_strongest_variable_wins)
{
	static const char *const order[] = {"VAULT_URL", "VAULT_ADDR", "BAO_ADDR",
					    "VAULT_AGENT_ADDR", "BAO_AGENT_ADDR"};

	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		setenv(order[i], order[i], 1);
		read_environment();
		cr_assert_str_eq(conf.address, order[i]);
	}
}

Test(conf, openbaos_names_come_before_vaults)
{
	setenv("BAO_NAMESPACE", "bao", 1);
	setenv("VAULT_NAMESPACE", "vault", 1);
	setenv("BAO_MAX_RETRIES", "1", 1);
	setenv("VAULT_MAX_RETRIES", "9", 1);
	setenv("BAO_TOKEN", "bao-token", 1);
	setenv("VAULT_TOKEN", "vault-token", 1);
	read_environment();
	cr_assert_str_eq(conf.server_namespace, "bao");
	cr_assert_eq(conf.max_retries, 1);
	cr_assert_str_eq(conf.token->bytes, "bao-token");
}

Test(conf, an_empty_variable_of_vault_is_none)
{
	read_file("addr = https://file\nmax_retries = 7\n");
	setenv("VAULT_ADDR", "", 1);
	setenv("VAULT_MAX_RETRIES", "", 1);
	setenv("VAULT_SKIP_VERIFY", "", 1);
	setenv("VAULT_TOKEN", "", 1);
	read_environment();
	cr_assert_str_eq(conf.address, "https://file");
	cr_assert_eq(conf.max_retries, 7);
	cr_assert_not(conf.tls_skip_verify);
	cr_assert_null(conf.token);
}

/* OpenBao's own client does the same: it calls LookupEnv, and ignores the value. */
Test(conf, an_empty_variable_of_openbao_hides_that_of_vault)
{
	setenv("BAO_NAMESPACE", "", 1);
	setenv("VAULT_NAMESPACE", "vault", 1);
	setenv("BAO_TOKEN", "", 1);
	setenv("VAULT_TOKEN", "vault-token", 1);
	read_environment();
	cr_assert_null(conf.server_namespace);
	cr_assert_null(conf.token);
}

Test(conf, an_empty_variable_never_turns_the_check_of_certificates_off)
{
	setenv("BAO_SKIP_VERIFY", "", 1);
	read_environment();
	cr_assert_not(conf.tls_skip_verify);
}

Test(conf, an_empty_variable_of_openbao_stands_for_the_default)
{
	read_file("max_retries = 7\nnamespace = team\nlog_level = debug\ntls_skip_verify = yes\n");
	setenv("BAO_MAX_RETRIES", "", 1);
	setenv("BAO_NAMESPACE", "", 1);
	setenv("BAO_LOG_LEVEL", "", 1);
	setenv("BAO_SKIP_VERIFY", "", 1);
	read_environment();
	cr_assert_eq(conf.max_retries, 2);
	cr_assert_null(conf.server_namespace);
	cr_assert_str_eq(conf.log_level, "info");
	cr_assert_not(conf.tls_skip_verify);
}

Test(conf, an_empty_variable_of_openbao_is_no_mistake)
{
	setenv("BAO_MAX_RETRIES", "", 1);
	setenv("BAO_CLIENT_TIMEOUT", "", 1);
	setenv("BAO_LOG_LEVEL", "", 1);
	read_environment();
	cr_assert_eq(conf.max_retries, 2);
	cr_assert_eq(conf.timeout, 10 * NS_PER_SEC);
	cr_assert_str_eq(conf.log_level, "info");
}

Test(conf, a_mistake_in_a_variable_names_it)
{
	struct err err = {0};

	setenv("VAULT_CLIENT_TIMEOUT", "soon", 1);
	cr_assert_eq(conf_read_environment(&conf, &err), -EINVAL);
	cr_assert_not_null(strstr(err_text(&err), "VAULT_CLIENT_TIMEOUT"), "%s", err_text(&err));
	cr_assert_not_null(strstr(err_text(&err), "soon"), "%s", err_text(&err));
}

/* Credentials. */

Test(conf, credentials_come_from_the_environment)
{
	setenv("VAULT_TOKEN", "t", 1);
	setenv("VAULT_ROLE_ID", "r", 1);
	setenv("VAULT_SECRET_ID", "s", 1);
	read_environment();
	cr_assert_str_eq(conf.token->bytes, "t");
	cr_assert_str_eq(conf.role_id->bytes, "r");
	cr_assert_str_eq(conf.secret_id->bytes, "s");
}

/* The strings that the process received, which /proc/PID/environ shows. */
Test(conf, credentials_are_zeroed_where_they_were_and_unset)
{
	static const char *const names[] = {"BAO_TOKEN", "VAULT_TOKEN", "VAULT_ROLE_ID",
					    "VAULT_SECRET_ID"};
	static char block[ARRAY_SIZE(names)][64];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(block[i], sizeof(block[i]), "%s=s3cret-%zu", names[i], i);
		cr_assert_eq(putenv(block[i]), 0);
	}
	read_environment();
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		cr_assert_null(getenv(names[i]), "%s", names[i]);
		for (size_t k = strlen(names[i]) + 1; k < sizeof(block[i]); k++)
			cr_assert_eq(block[i][k], 0, "%s is still there", names[i]);
	}
	cr_assert_str_eq(conf.token->bytes, "s3cret-0");
}

/* A process may be given a variable twice; getenv(3) sees the first. */
Test(conf, a_credential_that_is_there_twice_is_zeroed_twice)
{
	static char first[] = "VAULT_TOKEN=s3cret-1", second[] = "VAULT_TOKEN=s3cret-2";
	static char *both[] = {first, second, NULL};

	environ = both;
	read_environment();
	cr_assert_str_eq(conf.token->bytes, "s3cret-1");
	cr_assert_str_eq(first, "VAULT_TOKEN=");
	cr_assert_str_eq(second, "VAULT_TOKEN=");
}

Test(conf, credentials_are_zeroed_though_another_variable_is_wrong)
{
	static char block[] = "VAULT_TOKEN=s3cret", early[] = "VAULT_SECRET_ID=s3cret";

	putenv(block);
	putenv(early);
	setenv("BAO_CLIENT_TIMEOUT", "soon", 1);
	setenv("BAO_SKIP_VERIFY", "maybe", 1);
	cr_assert_eq(conf_read_environment(&conf, NULL), -EINVAL);
	cr_assert_str_eq(block, "VAULT_TOKEN=");
	cr_assert_str_eq(early, "VAULT_SECRET_ID=");
	cr_assert_null(getenv("VAULT_TOKEN"));
}

Test(conf, what_is_no_credential_stays_in_the_environment)
{
	setenv("VAULT_ADDR", "https://a", 1);
	setenv("HOME", "/root", 1);
	read_environment();
	cr_assert_str_eq(getenv("VAULT_ADDR"), "https://a");
	cr_assert_str_eq(getenv("HOME"), "/root");
}

Test(conf, a_token_in_the_environment_is_stronger_than_a_file_of_the_file)
{
	read_file("token_file = /etc/token\nrole_id_file = /etc/role\n");
	setenv("VAULT_TOKEN", "t", 1);
	read_environment();
	cr_assert_null(conf.token_file);
	cr_assert_str_eq(conf.role_id_file, "/etc/role");
	read_options("token_file=/run/token");
	cr_assert_str_eq(conf.token_file, "/run/token");
	cr_assert_null(conf.token, "there is one of the two");
}

Test(conf, a_file_of_an_option_is_stronger_than_a_secret_in_the_environment)
{
	setenv("VAULT_SECRET_ID", "s", 1);
	setenv("VAULT_PASSWORD", "p", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "k", 1);
	read_environment();
	read_options("secret_id_file=/run/id,password_file=-,jwt_file=/run/jwt");
	cr_assert_null(conf.secret_id);
	cr_assert_null(conf.password);
	cr_assert_str_eq(conf.password_file, "-");
	cr_assert_not_null(conf.aws_secret_key);
}

Test(conf, credentials_are_never_taken_from_the_command_line)
{
	static const char *const names[] = {"token", "role_id", "secret_id", "password", "jwt"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char option[64];
		struct err err = {0};

		snprintf(option, sizeof(option), "ro,%s=hvs.s3cret", names[i]);
		cr_assert_eq(conf_read_options(&conf, option, &err), -EINVAL);
		cr_assert_not_null(strstr(err_text(&err), names[i]), "%s", err_text(&err));
		cr_assert_not_null(strstr(err_text(&err), "_file=FILE"), "%s", err_text(&err));
		cr_assert_null(strstr(err_text(&err), "s3cret"), "%s", err_text(&err));
	}
	cr_assert_null(conf.token);
}

/* A slip of the pen must not put a credential into a log. */
Test(conf, an_unknown_option_is_named_without_its_value)
{
	static const char *const options[] = {"Token=s3cret", "tokens=s3cret", "vault_token=s3cret",
					      "=s3cret"};

	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		struct err err = {0};

		cr_assert_eq(conf_read_options(&conf, options[i], &err), -EINVAL, "%s", options[i]);
		cr_assert_null(strstr(err_text(&err), "s3cret"), "%s", err_text(&err));
	}
}

/* -o. */

Test(conf, options_are_parted_by_commas)
{
	read_options("ttl=1m,ro,rate=5");
	cr_assert_eq(conf.ttl, 60 * NS_PER_SEC);
	cr_assert(conf.read_only);
	cr_assert_eq(conf.rate, 5);
	read_options("");
	read_options(",,rw,,rate=6,");
	cr_assert_eq(conf.rate, 6);
}

Test(conf, a_comma_may_be_escaped)
{
	read_options("namespace=a\\,b,ttl=1m");
	cr_assert_str_eq(conf.server_namespace, "a,b");
	cr_assert_eq(conf.ttl, 60 * NS_PER_SEC);
	read_options("namespace=a\\\\,ttl=2m");
	cr_assert_str_eq(conf.server_namespace, "a\\");
	cr_assert_eq(conf.ttl, 120 * NS_PER_SEC);
	read_options("namespace=a\\b\\");
	cr_assert_str_eq(conf.server_namespace, "a\\b\\");
}

Test(conf, a_value_may_hold_the_equals_sign)
{
	read_options("namespace=a=b=c");
	cr_assert_str_eq(conf.server_namespace, "a=b=c");
}

Test(conf, the_last_of_the_same_option_counts)
{
	read_options("rate=1,rate=2,ro,ro=no");
	cr_assert_eq(conf.rate, 2);
	cr_assert_not(conf.read_only);
}

Test(conf, a_mistake_in_an_option_names_it)
{
	struct err err = {0};

	cr_assert_eq(conf_read_options(&conf, "ro,ttl=never,rate=5", &err), -EINVAL);
	cr_assert_not_null(strstr(err_text(&err), "ttl=never"), "%s", err_text(&err));
	cr_assert_eq(conf_read_options(&conf, "ttl", &err), -EINVAL);
	cr_assert_not_null(strstr(err_text(&err), "ttl=TIME"), "%s", err_text(&err));
	cr_assert_eq(conf_read_options(&conf, "nonsense", &err), -EINVAL);
	cr_assert_not_null(strstr(err_text(&err), "nonsense"), "%s", err_text(&err));
}

static void assert_token_by(const char *command, const char *file, bool secret)
{
	cr_assert_eq(!conf.token_command, !command);
	cr_assert(!command || !strcmp(conf.token_command, command));
	cr_assert_eq(!conf.token_file, !file);
	cr_assert(!file || !strcmp(conf.token_file, file));
	cr_assert_eq(conf.token != NULL, secret);
}

Test(conf, of_the_ways_to_a_token_the_one_that_was_set_last_is_left)
{
	read_file("token_command = get-token --for app | cat\n");
	assert_token_by("get-token --for app | cat", NULL, false);
	setenv("VAULT_TOKEN", "t", 1);
	read_environment();
	assert_token_by(NULL, NULL, true);
	read_options("token_command=a\\,b");
	assert_token_by("a,b", NULL, false);
	read_options("token_file=/f");
	assert_token_by(NULL, "/f", false);
	read_options("token_command=c");
	assert_token_by("c", NULL, false);
	setenv("VAULT_TOKEN", "", 1);
	read_environment();
	read_options("token_command=");
	assert_token_by(NULL, NULL, false);
}

Test(conf, an_address_is_taken_as_people_hand_it_over)
{
	static const char *const rows[][2] = {
		{"http://a:1\r\n", "http://a:1"},
		{" \thttps://a:1 \n", "https://a:1"},
		{"HTTP://A:1", "http://A:1"},
		{"Https://a:1/Path, HTTP://b\r", "https://a:1/Path,http://b"},
		{"UNIX:///Run/Agent.sock\n", "unix:///Run/Agent.sock"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		setenv("VAULT_ADDR", rows[i][0], 1);
		read_environment();
		cr_assert_str_eq(conf.address, rows[i][1]);
	}
	setenv("VAULT_ADDR", "http://a:1\r\nX-Evil: 1", 1);
	cr_assert_eq(conf_read_environment(&conf, NULL), -EINVAL, "a line break in the middle");
}

Test(conf, an_address_given_again_is_one_more)
{
	read_options("addr=https://a,ro,addr=https://b:1");
	cr_assert_str_eq(conf.address, "https://a,https://b:1");
	read_options("addr=https://c\\,https://d");
	cr_assert_str_eq(conf.address, "https://c,https://d", "it was added to a weaker layer's");
}
