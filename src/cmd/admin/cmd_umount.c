// SPDX-License-Identifier: Apache-2.0
/* vaultfs umount: like umount(8) and fusermount3(1), for our mounts only. */

#include "cmd/admin/admin_commands.h"

#include "cli/command.h"

#include "host/mountpoint.h"

static int umount_run(int argc, char **argv)
{
	struct err err = {0};

	if (argc != 2)
		return command_misused(&command_umount, "umount takes one directory");
	if (mountpoint_clear(argv[1], &err) < 0)
		return command_fail(EXIT_LOCAL, "%s", err_text(&err));
	return EXIT_OK;
}

const struct command command_umount = {
	.name = "umount",
	.usage = "DIR",
	.summary = "Unmounts, which ends the daemon",
	.run = umount_run,
};
