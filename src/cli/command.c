// SPDX-License-Identifier: Apache-2.0
/* The table of commands, and what is said about them. */

#include "config.h"
#include "cli/command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct command *const commands[] = {&command_mount, &command_umount, &command_login};

const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(commands[i]->name, name))
			return commands[i];
	return NULL;
}

void command_help(const struct command *c)
{
	printf("Usage: vaultfs %s %s\n\n%s.\n", c->name, c->usage, c->summary);
	if (c->help)
		c->help();
}

void command_help_all(void)
{
	printf("Usage: vaultfs COMMAND [ARGUMENT...]\n\n"
	       "HashiCorp Vault and OpenBao as a file system.\n\nCommands:\n");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		printf("  %-10s %s\n", commands[i]->name, commands[i]->summary);
	printf("\n  vaultfs COMMAND --help    tells more about one\n"
	       "  vaultfs --version         prints the version\n"
	       "  man vaultfs               has all of it\n");
}

static void say(const char *fmt, va_list ap)
{
	fflush(stdout);
	fprintf(stderr, "vaultfs: ");
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
}

int command_fail(int status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
	return status;
}

int command_misused(const struct command *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
	fprintf(stderr, "Usage: vaultfs %s %s\n", c->name, c->usage);
	return EXIT_LOCAL;
}

int command_join_options(char **all, const char *more)
{
	char *joined;

	if (asprintf(&joined, "%s%s%s", *all ? *all : "", *all ? "," : "", more) < 0)
		return -ENOMEM;
	free(*all);
	*all = joined;
	return 0;
}
