/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include <stdbool.h>

/* What can follow "vaultfs". One file each; cli/command.c holds the table. */

enum { EXIT_OK = 0, EXIT_LOCAL = 1, EXIT_SERVER = 2 };

struct command {
	const char *name;
	const char *usage;   /* what follows the name */
	const char *summary; /* one line */
	void (*help)(void);  /* more, for --help; NULL: nothing */
	/* argv[0] is the name. Returns the exit status. */
	int (*run)(int argc, char **argv);
};

extern const struct command command_mount, command_umount, command_login;

/* What mount(8) runs, by this name; no command, but a program. */
#define MOUNT_HELPER "mount.vaultfs"
int mount_helper_run(int argc, char **argv);

/* NULL where there is none. */
const struct command *command_find(const char *name);

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
