/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

/* The commands of "vaultfs". One file each, below cmd/; cmd/commands.c has the table. */

enum { EXIT_OK = 0, EXIT_LOCAL = 1, EXIT_SERVER = 2 };

/* A flag of a command, as -X or --NAME, or as -NAME like the official client. A table ends with an
 * empty row. */
struct flag {
	char letter;	     /* 0: none */
	const char *name;    /* NULL: none */
	const char *meaning; /* of the value; NULL: it takes none */
	const char *help;
};

struct command {
	const char *name;
	const char *usage;   /* the arguments after the name */
	const char *summary; /* one line */
	void (*help)(void);  /* more, for --help; NULL: nothing */
	const struct flag *flags;
	/* It makes few requests and ends: the first answer tells whether the token is good. */
	bool brief;
	bool all_engines; /* its PATH may be /, which is all engines of the server */
	/* argv[0] is the name. Returns the exit status. */
	int (*run)(int argc, char **argv);
};

/* For --help, on stdout. */
void command_help(const struct command *c);

/* Prints "vaultfs: " and a sentence on stderr; returns `status`. */
int command_fail(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Reports wrong usage on stderr; returns EXIT_LOCAL. */
int command_misused(const struct command *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Appends the value of another -o; heap. 0 or -ENOMEM. */
int command_join_options(char **all, const char *more);

#endif
