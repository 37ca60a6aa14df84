/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_KV_KV_COMMANDS_H
#define CMD_KV_KV_COMMANDS_H

#include "cli/command.h"

/* Commands that read and change secrets, each in the file of its name; cmd_history.c has diff too, and
 * cmd_version.c what is done with old versions. */
extern const struct command command_ls, command_get, command_put, command_edit, command_rm,
	command_history, command_diff, command_rollback, command_undelete, command_destroy;

#endif
