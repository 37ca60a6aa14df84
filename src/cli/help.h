/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_HELP_H
#define CLI_HELP_H

/* The options of `vaultfs mount`, on stdout. */
void help_mount_options(void);

/* The same of `vaultfs login`. */
void help_login_options(void);

/* Prints the options of all commands that ask the server; help_remote() also says what a PATH is. */
void help_server(void);
void help_remote(void);

#endif
