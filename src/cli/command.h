/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

/* What can follow "vaultfs". One file each, below cmd/; cmd/commands.c has the table. */

enum { EXIT_OK = 0, EXIT_LOCAL = 1, EXIT_SERVER = 2 };

/* What may stand after a command's name, as -X or as --NAME and, as the official client has it, -NAME.
 * A table ends with an empty row. */
struct flag {
	char letter;	     /* 0: none */
	const char *name;    /* NULL: none */
	const char *meaning; /* of the value; NULL: it takes none */
	const char *help;
};

struct command {
	const char *name;
	const char *usage;   /* what follows the name */
	const char *summary; /* one line */
	void (*help)(void);  /* more, for --help; NULL: nothing */
	const struct flag *flags;
	/* It asks a few things and ends, so that the first answer tells whether the token is good. */
	bool brief;
	bool all_engines; /* its PATH may be /, which is all engines of the server */
	/* argv[0] is the name. Returns the exit status. */
	int (*run)(int argc, char **argv);
};

/* For --help, on stdout. */
void command_help(const struct command *c);

/* "vaultfs: " and a sentence, on stderr; `status`, for a return. */
int command_fail(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* "wrong usage", on stderr; EXIT_LOCAL. */
int command_misused(const struct command *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Adds what follows one more -o; heap. 0 or -ENOMEM. */
int command_join_options(char **all, const char *more);

#endif
