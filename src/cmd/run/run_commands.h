/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_RUN_RUN_COMMANDS_H
#define CMD_RUN_RUN_COMMANDS_H

#include "cli/command.h"

/* Commands that hand secrets to programs and files, each in the file of its name. */
extern const struct command command_run, command_resolve;

#endif
