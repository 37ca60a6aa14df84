/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

/* What can follow "vaultfs". One file each; cli/command.c holds the table. */

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
	/* argv[0] is the name. Returns the exit status. */
	int (*run)(int argc, char **argv);
};

extern const struct command command_mount, command_umount, command_login;
/* Those of remote/, which is above. */
extern const struct command command_ls, command_get, command_put, command_edit, command_rm,
	command_history, command_diff, command_rollback, command_undelete, command_destroy,
	command_status, command_doctor;
extern const struct command command_completion; /* of complete/ */
/* Those of tools/. */
extern const struct command command_run, command_resolve, command_migrate, command_setup,
	command_local;

/* What mount(8) runs, by this name; no command, but a program. */
#define MOUNT_HELPER "mount.vaultfs"
int mount_helper_run(int argc, char **argv);

/* NULL where there is none; by number, NULL after the last. */
const struct command *command_find(const char *name);
const struct command *command_at(size_t i);

/* For --help, on stdout. */
void command_help(const struct command *c);
void command_help_all(void);

/* "vaultfs: " and a sentence, on stderr; `status`, for a return. */
int command_fail(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* "wrong usage", on stderr; EXIT_LOCAL. */
int command_misused(const struct command *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Adds what follows one more -o; heap. 0 or -ENOMEM. */
int command_join_options(char **all, const char *more);

#endif
