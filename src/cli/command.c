// SPDX-License-Identifier: Apache-2.0
/* The help and the errors of commands. */

#include "cli/command.h"

#include "cli/help.h"

#include "base/visible.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_flag(const struct flag *f)
{
	char head[64];

	snprintf(head, sizeof(head), "%c%c%s%s%s%s%s", f->letter ? '-' : ' ',
		 f->letter ? f->letter : ' ', f->letter && f->name ? ", " : "  ",
		 f->name ? "--" : "", f->name ? f->name : "", f->meaning ? " " : "",
		 f->meaning ? f->meaning : "");
	if (strlen(head) > 24)
		printf("  %s\n  %-24s %s\n", head, "", f->help);
	else
		printf("  %-24s %s\n", head, f->help);
}

void command_help(const struct command *c)
{
	printf("Usage: vaultfs %s %s\n\n%s.\n", c->name, c->usage, c->summary);
	if (c->flags || c->help == help_remote)
		putchar('\n');
	for (const struct flag *f = c->flags; f && (f->letter || f->name); f++)
		print_flag(f);
	if (c->help)
		c->help();
}

_printf_(1, 0) static void say(const char *fmt, va_list ap)
{
	fflush(stdout);
	fprintf(stderr, "vaultfs: ");
	visible_vprint(stderr, fmt, ap);
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
