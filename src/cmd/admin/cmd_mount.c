// SPDX-License-Identifier: Apache-2.0
/* vaultfs mount: reads the arguments; cli/mount.c does the rest. */

#include "cmd/admin/admin_commands.h"

#include "cli/help.h"
#include "cli/mount.h"

#include <stdlib.h>
#include <unistd.h>

static int parse_arguments(struct mount_arguments *a, int argc, char **argv)
{
	int option;

	optind = 1;
	while ((option = getopt(argc, argv, "fo:c:")) != -1) {
		if (option == 'f')
			a->foreground = true;
		else if (option == 'c')
			a->conf_file = optarg;
		else if (option != 'o')
			return command_misused(&command_mount, "wrong usage");
		else if (command_join_options(&a->options, optarg) < 0)
			return command_fail(EXIT_LOCAL, "no memory");
	}
	if (argc - optind < 1 || argc - optind > 2)
		return command_misused(
			&command_mount,
			"mount takes the directory to mount on, after what to mount");
	a->dir = argv[argc - 1];
	a->source = argc - optind == 2 ? argv[optind] : NULL;
	return EXIT_OK;
}

static int run(int argc, char **argv)
{
	struct mount_arguments args = {0};
	int status = parse_arguments(&args, argc, argv);

	if (status == EXIT_OK)
		status = mount_run(&args);
	free(args.options);
	return status;
}

const struct command command_mount = {
	.name = "mount",
	.usage = "[-f] [-c FILE] [-o OPT,...] [SOURCE] DIR",
	.summary = "Mounts secrets as files",
	.help = help_mount_options,
	.run = run,
};
