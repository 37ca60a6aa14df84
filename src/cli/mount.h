/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_MOUNT_H
#define CLI_MOUNT_H

#include <stdbool.h>

/* The arguments of `vaultfs mount`. */
struct mount_arguments {
	bool foreground;
	char *conf_file; /* NULL: the system's, if there is one */
	char *options;	 /* all -o, joined; heap */
	const char *source, *dir;
};

/* Mounts, and in the daemon serves until the end. The command's exit status, having said what is wrong;
 * the arguments stay the caller's. */
int mount_run(const struct mount_arguments *args);

#endif
