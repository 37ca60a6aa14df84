// SPDX-License-Identifier: Apache-2.0
/* vaultfs completion: a script for bash or zsh that completes our command line. Its names come from
 * the tables of commands, flags, options and login methods, as functions that both shells
 * understand; the code that uses them is specific to each shell. */

#include "cmd/commands.h"

#include "auth/method.h"
#include "complete/script.h"
#include "conf/option.h"

#include <stdio.h>
#include <string.h>

static bool asks_server(const struct command *c)
{
	return strstr(c->usage, "[OPTION...]") || strstr(c->usage, "-o OPT");
}

/* "a|b" as "a b". */
static void print_choices(const char *choices)
{
	for (; *choices; choices++)
		putchar(*choices == '|' ? ' ' : *choices);
}

static bool is_choice(const char *meaning)
{
	return strchr(meaning, '|') && !strpbrk(meaning, ":=@#,[");
}

static void print_methods(void)
{
	const struct auth_method *m;

	for (size_t i = 0; (m = auth_method_at(i)); i++)
		printf("%s%s", i ? " " : "", m->name);
}

/* The possible values: choices, or "@file", "@dir", "@path"; "@text": unknown. */
static void print_meaning(const char *meaning)
{
	if (is_choice(meaning))
		print_choices(meaning);
	else if (!strcmp(meaning, "FILE"))
		printf("@file");
	else if (!strcmp(meaning, "DIR"))
		printf("@dir");
	else if (!strcmp(meaning, "METHOD"))
		print_methods();
	else
		printf("@text");
}

static bool has_more(const struct flag *f)
{
	return f && (f->letter || f->name);
}

static void print_flags(const struct command *c)
{
	printf("\t%s) echo '--help", c->name);
	for (const struct flag *f = c->flags; has_more(f); f++) {
		if (f->letter)
			printf(" -%c", f->letter);
		if (f->name)
			printf(" --%s", f->name);
	}
	if (strstr(c->usage, "[-f]"))
		printf(" -f");
	if (asks_server(c))
		printf(" -o -c");
	printf("' ;;\n");
}

static void print_values(const struct command *c)
{
	for (const struct flag *f = c->flags; has_more(f); f++) {
		if (!f->meaning)
			continue;
		printf("\t");
		if (f->letter)
			printf("'%s -%c'%s", c->name, f->letter, f->name ? " | " : "");
		if (f->name)
			printf("'%s --%s' | '%s -%s'", c->name, f->name, c->name, f->name);
		printf(") echo '");
		print_meaning(f->meaning);
		printf("' ;;\n");
	}
}

/* The kinds of a command's words, derived from its usage. */
static void print_words(const struct command *c)
{
	const char *last = strrchr(c->usage, ' ');

	printf("\t%s) echo '", c->name);
	if (strstr(c->usage, "SOURCE"))
		printf("@path @dir");
	else if (strstr(c->usage, "PATH"))
		printf("@path");
	else if (strstr(c->usage, "METHOD"))
		print_methods();
	else if (strstr(c->usage, "DIR"))
		printf("@dir");
	else if (is_choice(last ? last + 1 : c->usage))
		print_choices(last ? last + 1 : c->usage);
	else
		printf("@file");
	printf("' ;;\n");
}

static void print_commands(void (*print)(const struct command *c), const char *name,
			   const char *subject)
{
	const struct command *c;

	printf("%s() {\n\tcase %s in\n", name, subject);
	for (size_t i = 0; (c = command_at(i)); i++)
		print(c);
	printf("\tesac\n}\n");
}

static void print_option(const struct option *o)
{
	if (o->type == OPTION_BOOL || !o->meaning)
		return;
	printf("\t%s) echo '", o->name);
	if (o->choices)
		printf("%s", o->choices);
	else
		print_meaning(o->meaning);
	printf("' ;;\n");
}

static void print_options(void)
{
	size_t n;
	const struct option *table = option_table(&n);

	printf("_vaultfs_options='");
	for (size_t i = 0; i < n; i++)
		if (table[i].name && table[i].help)
			printf("%s%s ", table[i].name, table[i].meaning ? "=" : "");
	printf("'\n_vaultfs_option() {\n\tcase $1 in\n");
	for (size_t i = 0; i < n; i++)
		if (table[i].name && table[i].help)
			print_option(&table[i]);
	printf("\tesac\n}\n");
}

static int completion_run(int argc, char **argv)
{
	bool zsh = argc == 2 && !strcmp(argv[1], "zsh");
	const struct command *c;

	if (!zsh && (argc != 2 || strcmp(argv[1], "bash") != 0))
		return command_misused(&command_completion, "bash or zsh?");
	printf("%s# Completion of vaultfs for %s; made by: vaultfs completion "
	       "%s\n\n_vaultfs_commands='",
	       zsh ? "#compdef vaultfs\n" : "", argv[1], argv[1]);
	for (size_t i = 0; (c = command_at(i)); i++)
		printf("%s ", c->name);
	printf("help'\n");
	print_commands(print_flags, "_vaultfs_flags", "$1");
	print_commands(print_values, "_vaultfs_value", "\"$1 $2\"");
	print_commands(print_words, "_vaultfs_words", "$1");
	print_options();
	fputs(zsh ? script_zsh : script_bash, stdout);
	if (fflush(stdout) != 0)
		return command_fail(EXIT_LOCAL, "cannot write the output");
	return EXIT_OK;
}

const struct command command_completion = {
	.name = "completion",
	.usage = "bash|zsh",
	.summary = "Prints what a shell needs to complete commands",
	.run = completion_run,
};
