// SPDX-License-Identifier: Apache-2.0
/* vaultfs login: gets a token as a mount would, and writes it where the official client and mounts
 * look for one. Prints whose it is and how long it lives, but never the token itself. */

#include "cmd/admin/admin_commands.h"

#include "base/visible.h"
#include "cli/command.h"
#include "cli/credentials.h"
#include "cli/help.h"
#include "cli/network.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/secmem.h"
#include "host/memory.h"
#include "host/prompt.h"
#include "vault/reply.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ARENA (1u << 20)

struct login {
	const char *conf_file, *method;
	char *options;
	struct conf conf;
	struct credentials creds;
	struct network network;
};

static int parse_arguments(struct login *l, int argc, char **argv)
{
	int option;

	optind = 1;
	while ((option = getopt(argc, argv, "o:c:")) != -1) {
		if (option == 'c')
			l->conf_file = optarg;
		else if (option != 'o')
			return command_misused(&command_login, "wrong usage");
		else if (command_join_options(&l->options, optarg) < 0)
			return command_fail(EXIT_LOCAL, "no memory");
	}
	if (argc - optind > 1)
		return command_misused(&command_login, "login takes one method");
	l->method = argc - optind == 1 ? argv[optind] : NULL;
	return EXIT_OK;
}

static void show_url(const char *url)
{
	visible_print(stdout, "Log in with a browser on this machine, at:\n\n    %s\n\n", url);
	fflush(stdout);
}

/* Asks the person at the terminal, if any, for missing credentials. */
static int ask_missing(struct login *l, struct err *err)
{
	struct auth_config *a = &l->creds.auth;
	const char *method = a->method ? a->method : "";
	bool by_password = !strcmp(method, "userpass") || !strcmp(method, "ldap");
	int r = 0;

	if (!isatty(STDIN_FILENO))
		return 0;
	if (by_password && a->username && !a->password && !a->password_file)
		r = prompt_secret("Password (not shown): ", &l->conf.password, err);
	else if (!strcmp(method, "token") && !a->token && !a->token_file)
		r = prompt_secret("Token (not shown): ", &l->conf.token, err);
	a->password = l->conf.password;
	a->token = l->conf.token;
	return r;
}

/* Finds every mistake that does not need the server. */
static int configure(struct login *l, struct err *err)
{
	int r;

	wipe_install_openssl();
	memory_raise_lock_limit();
	r = secmem_init(ARENA, err);
	if (r == 0)
		r = secmem_lock(err);
	if (r < 0)
		return r;
	json_init();
	memory_no_dumps();
	r = conf_read(&l->conf, l->conf_file, l->options, err);
	if (r == 0)
		r = conf_set_log_level(&l->conf, err);
	if (r == 0)
		r = log_open("stderr", l->conf.log_format, err);
	if (r == 0 && !l->conf.address)
		r = err_set(err, EINVAL,
			    "no server: set VAULT_ADDR, or addr= after -o or in the configuration");
	if (r == 0)
		r = credentials_take(&l->creds, &l->conf, err);
	if (r < 0)
		return r;
	/* We will write this file: it is no credential. */
	l->creds.auth.home_token_file = NULL;
	l->creds.auth.show = show_url;
	if (l->method)
		l->creds.auth.method = l->method;
	r = ask_missing(l, err);
	if (r == 0)
		r = credentials_choose(&l->creds, err);
	if (r == 0 && l->creds.method == &auth_none)
		r = err_set(err, EINVAL, "auth=none: there is no token to write");
	if (r == 0 && !l->creds.home_token_file)
		r = err_set(err, EINVAL, "HOME is not set: there is no place for the token");
	if (r == 0)
		r = credentials_fork(&l->creds, NULL, err);
	return r < 0 ? r : network_open(&l->network, &l->conf, err);
}

static void tell(const struct login *l, const struct token_identity *who,
		 const struct token_info *info)
{
	char life[40] = "for ever";

	if (info->ttl) {
		snprintf(life, sizeof(life), "for ");
		clock_format_duration(info->ttl, life + 4, sizeof(life) - 4);
	} else if (!info->known) {
		snprintf(life, sizeof(life), "for nobody knows how long");
	}
	visible_print(stdout, "Logged in%s%s by %s, %s%s%s%s.\nThe token is in %s.\n",
		      who->name[0] ? " as " : "", who->name, l->creds.method->name, life,
		      info->renewable ? ", renewable" : "", who->policies[0] ? "; policies: " : "",
		      who->policies, l->creds.home_token_file);
}

static int log_in(struct login *l, struct err *err)
{
	struct limit limit = {.deadline = clock_mono() + l->conf.timeout};
	_cleanup_secret_ struct secret *token = NULL;
	struct token_identity who = {0};
	struct token_info info;
	int r = network_check_namespace(&l->network, &l->conf, limit, err);

	if (r == 0)
		r = l->creds.method->login(l->network.vault, &l->creds.auth, limit, &token, &info,
					   err);
	if (r < 0)
		return r;
	limit.deadline = clock_mono() + l->conf.timeout;
	token_identify(l->network.vault, token, limit, &who, NULL);
	r = secret_to_file(token, l->creds.home_token_file);
	if (r < 0)
		return err_set(err, -r, "cannot write %s: %s", l->creds.home_token_file,
			       strerror(-r));
	tell(l, &who, &info);
	return 0;
}

/* Whether the failure is the server's answer, or its silence, rather than a mistake here. */
static bool is_the_servers(int code)
{
	return code == EKEYREJECTED || code == EKEYEXPIRED || code == EOPNOTSUPP ||
	       reply_is_outage(code);
}

static int login_run(int argc, char **argv)
{
	struct login l = {0};
	struct err err = {0};
	int status = parse_arguments(&l, argc, argv);
	int r;

	if (status == EXIT_OK && configure(&l, &err) < 0) {
		status = command_fail(EXIT_LOCAL, "%s", err_text(&err));
	} else if (status == EXIT_OK) {
		r = log_in(&l, &err);
		if (r < 0)
			status = command_fail(is_the_servers(-r) ? EXIT_SERVER : EXIT_LOCAL, "%s",
					      err_text(&err));
	}
	network_close(&l.network);
	credentials_fini(&l.creds);
	conf_fini(&l.conf);
	free(l.options);
	return status;
}

const struct command command_login = {
	.name = "login",
	.usage = "[-c FILE] [-o OPT,...] [METHOD]",
	.summary = "Logs in, and writes the token to ~/.vault-token",
	.help = help_login_options,
	.run = login_run,
};
