// SPDX-License-Identifier: Apache-2.0
/* The description of options in --help, from their table. */

#include "cli/help.h"

#include "conf/option.h"

#include <stdio.h>

static void print_env(const struct option *o)
{
	for (size_t i = 0; i < OPTION_ENV_MAX && o->env[i]; i++)
		printf("%s%s", i ? ", " : "", o->env[i]);
}

static void print_options(void)
{
	size_t n;
	const struct option *table = option_table(&n);

	for (size_t i = 0; i < n; i++) {
		char head[64];

		if (!table[i].name)
			continue;
		snprintf(head, sizeof(head), "%s%s%s", table[i].name, table[i].meaning ? "=" : "",
			 table[i].meaning ? table[i].meaning : "");
		printf("  %-30s %s", head, table[i].help);
		if (table[i].preset)
			printf(" [%s]", table[i].preset);
		putchar('\n');
	}
	printf("\nEnvironment (options override it, it overrides the configuration):\n");
	for (size_t i = 0; i < n; i++) {
		if (!table[i].env[0])
			continue;
		printf("  ");
		print_env(&table[i]);
		if (table[i].name)
			printf(": %s\n", table[i].name);
		else
			printf(": %s\n", table[i].help);
	}
}

#define COMMON                                                                                     \
	"  -c FILE     read the configuration from FILE, not from " CONF_SYSTEM_FILE "\n"          \
	"  -o OPT,...  options, as follows; \\, is a comma\n\n"

void help_mount_options(void)
{
	printf("\nSOURCE is an engine with a path in it: secret, or secret/app.\n\n"
	       "  -f          stay in the foreground\n" COMMON);
	print_options();
}

void help_server(void)
{
	printf("  -c FILE                  as for mount\n"
	       "  -o OPT,...               as for mount (vaultfs mount --help)\n");
}

void help_remote(void)
{
	help_server();
	printf("\nPATH is a path of the server, secret/app/db, of a store, local:FILE/app/db, or "
	       "of a "
	       "mount,\n/run/secrets/db.\n");
}

void help_login_options(void)
{
	printf("\nMETHOD is as after -o auth=, and oidc, for which a browser is "
	       "needed.\n\n" COMMON);
	print_options();
}
