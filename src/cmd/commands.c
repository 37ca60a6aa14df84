// SPDX-License-Identifier: Apache-2.0
/* The table of commands, in the order of --help. A command is a file of cmd/kv/, cmd/run/ or cmd/admin/
 * and a word here. */

#include "cmd/commands.h"

#include "cmd/admin/admin_commands.h"
#include "cmd/kv/kv_commands.h"
#include "cmd/run/run_commands.h"

#include <stdio.h>
#include <string.h>

/* clang-format off */
static const struct command *const commands[] = {
	&command_mount, &command_umount, &command_login,
	&command_ls, &command_get, &command_put, &command_edit, &command_rm,
	&command_history, &command_diff, &command_rollback, &command_undelete, &command_destroy,
	&command_status, &command_doctor, &command_completion,
	&command_run, &command_resolve, &command_migrate, &command_setup, &command_local,
};
/* clang-format on */

const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(commands[i]->name, name))
			return commands[i];
	return NULL;
}

const struct command *command_at(size_t i)
{
	return i < sizeof(commands) / sizeof(commands[0]) ? commands[i] : NULL;
}

void command_help_all(void)
{
	printf("Usage: vaultfs COMMAND [ARGUMENT...]\n\n"
	       "HashiCorp Vault and OpenBao as a file system.\n\nCommands:\n");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		printf("  %-10s %s\n", commands[i]->name, commands[i]->summary);
	printf("\n  vaultfs COMMAND --help    tells more about one\n"
	       "  vaultfs --version         prints the version\n"
	       "  man vaultfs               leads to all manual pages\n");
}
