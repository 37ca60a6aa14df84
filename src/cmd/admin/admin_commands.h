/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_ADMIN_ADMIN_COMMANDS_H
#define CMD_ADMIN_ADMIN_COMMANDS_H

#include "cli/command.h"

/* Commands that set up mounts, logins, servers and stores, and look after them, each in the file of its
 * name. */
extern const struct command command_mount, command_umount, command_login, command_status,
	command_doctor, command_migrate, command_setup, command_local;

/* The program that mount(8) runs: vaultfs under this name. */
#define MOUNT_HELPER "mount.vaultfs"
int mount_helper_run(int argc, char **argv);

#endif
