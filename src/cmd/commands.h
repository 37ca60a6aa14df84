/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_COMMANDS_H
#define CMD_COMMANDS_H

#include "cli/command.h"

/* The one command of no family: it prints the table. */
extern const struct command command_completion;

/* NULL where there is none; by number, NULL after the last. */
const struct command *command_find(const char *name);
const struct command *command_at(size_t i);

/* The table, for --help, on stdout. */
void command_help_all(void);

#endif
