// SPDX-License-Identifier: Apache-2.0
/* vaultfs status: the server and the token that a mount would have here; of a mount, what it says; of an
 * embedded store, whether it is whole. */

#include "cmd/admin/admin_commands.h"

#include "base/visible.h"
#include "cli/help.h"
#include "host/mountpoint.h"
#include "cli/print.h"
#include "remote/remote.h"
#include "store/local.h"
#include "vault/health.h"
#include "vault/token.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static void print_server(struct remote *r, const struct health *health)
{
	bool vault = !strcmp(health->product, "vault");

	visible_print(stdout, "server     %s\n", vault_address(r->network.vault));
	visible_print(stdout, "product    %s %s\n", vault ? "Vault" : "OpenBao", health->version);
	visible_print(stdout, "state      %s\n",
		      health->sealed	     ? "sealed"
		      : !health->initialized ? "not initialized"
		      : health->standby	     ? "standby"
					     : "active");
	if (r->conf.server_namespace)
		visible_print(stdout, "namespace  %s\n", r->conf.server_namespace);
}

enum { RENEW };

static const struct flag status_flags[] = {
	[RENEW] = {.name = "renew", .help = "renew the token first"},
	{0},
};

static int print_token(struct remote *r, struct err *err)
{
	struct vault_tokens tokens = session_tokens(r->session);
	_cleanup_secret_ struct secret *token = NULL;
	struct token_identity who = {0};
	struct token_info info = {0};
	char life[40] = "for ever";
	int s = tokens.get(tokens.arg, remote_limit(r), &token, err);

	if (s < 0)
		return s;
	visible_print(stdout, "login      %s\n", r->creds.method->name);
	s = token_identify(r->network.vault, token, remote_limit(r), &who, err);
	if (s == 0)
		s = token_lookup(r->network.vault, token, remote_limit(r), &info, err);
	if (s == -EACCES) {
		printf("token      alive; it may not look itself up\n");
		return 0;
	}
	if (s < 0)
		return s;
	if (info.ttl)
		clock_format_duration(info.ttl / NS_PER_SEC * NS_PER_SEC, life, sizeof(life));
	visible_print(stdout, "token      %s\npolicies   %s\nlives      %s%s\n", who.name,
		      who.policies, life, info.renewable ? ", renewable" : "");
	return 0;
}

static int server_status(struct remote *r, struct err *err)
{
	struct health health;
	int s = remote_configure(r, err);

	if (s == 0)
		s = remote_open(r, err);
	if (s == 0)
		s = health_read(r->network.vault, remote_limit(r), &health, err);
	if (s < 0)
		return s;
	print_server(r, &health);
	fflush(stdout);
	if (health.sealed || !health.initialized)
		return EXIT_SERVER;
	s = remote_log_in(r, err);
	if (s == 0 && r->flags.value[RENEW])
		s = session_renew(r->session, clock_mono(), remote_limit(r), err);
	return s < 0 ? s : print_token(r, err);
}

/* If it fails, .vault/errors has the server's words. */
static int order_renewal(const char *dir, struct err *err)
{
	_cleanup_free_ char *file = NULL;
	int fd = -1, s = 0;

	if (asprintf(&file, "%s/.vault/renew", dir) < 0)
		return err_set(err, ENOMEM, "no memory");
	fd = open(file, O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (fd < 0 || write(fd, "1\n", 2) != 2)
		s = -errno;
	if (fd >= 0 && close(fd) < 0 && s == 0)
		s = -errno;
	return s < 0 ? err_set(err, -s, "the token was not renewed: %s (%s/.vault/errors says why)",
			       strerror(-s), dir)
		     : 0;
}

static int mount_status(struct remote *r, const char *dir, struct err *err)
{
	_cleanup_free_ char *file = NULL;
	_cleanup_close_ int fd = -1;
	char text[4096];
	ssize_t n = 0;
	struct stat st;

	if (stat(dir, &st) < 0 && errno == ENOTCONN)
		return remote_wrong(r, err, "%s is a dead mount (vaultfs umount %s)", dir, dir);
	if (!mountpoint_holds(dir))
		return remote_wrong(r, err, "%s is no mount of vaultfs", dir);
	if (!mountpoint_answers(dir))
		return remote_wrong(r, err, "%s is mounted, and does not answer", dir);
	if (r->flags.value[RENEW] && order_renewal(dir, err) < 0)
		return -err->code;
	if (asprintf(&file, "%s/.vault/status.json", dir) < 0)
		return err_set(err, ENOMEM, "no memory");
	fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		visible_print(stdout, "%s answers\n", dir);
		return EXIT_OK;
	}
	while ((n = read(fd, text, sizeof(text))) > 0)
		if (print_shown(text, (size_t)n) != EXIT_OK)
			return EXIT_LOCAL;
	return EXIT_OK;
}

/* All of it is read, so that "whole" is true. */
static int store_status(struct remote *r, const char *source, struct err *err)
{
	_cleanup_object_ struct kv_list *list = NULL;
	int s = remote_options(r, err);

	r->local = true;
	if (s == 0 && r->flags.value[RENEW])
		return remote_wrong(r, err, "there is no token to renew in %s", source);
	if (s == 0)
		s = embedded_take(&r->embedded, &r->conf, source, err);
	if (s == 0)
		s = embedded_open(&r->embedded, &r->conf, false, true, &r->engine, err);
	r->kv = r->engine.kv;
	if (s == 0)
		s = r->kv->ops->list(r->kv, "", remote_limit(r), &list, err);
	if (s < 0)
		return s;
	visible_print(stdout, "store      %s\nkey        %s\nstate      whole\nentries    %zu\n",
		      r->embedded.file, r->conf.key, list->count);
	return EXIT_OK;
}

static int status(struct remote *r, struct err *err)
{
	const char *word = r->flags.count ? r->flags.words[0] : NULL;

	if (!word)
		return server_status(r, err);
	return local_is_source(word) ? store_status(r, word, err) : mount_status(r, word, err);
}

static int status_run(int argc, char **argv)
{
	return remote_run(&command_status, 0, 1, argc, argv, status);
}

static void help(void)
{
	help_server();
	printf("\nDIR is a mount, local:FILE a store. Without either it is the server of the "
	       "options and the\n"
	       "environment. The exit status is 2 where it is sealed.\n");
}

const struct command command_status = {
	.name = "status",
	.usage = "[--renew] [OPTION...] [DIR|local:FILE]",
	.summary = "Tells of the server and the token, of a mount, or of a store",
	.help = help,
	.flags = status_flags,
	.run = status_run,
};
