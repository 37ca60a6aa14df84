/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_HELP_H
#define CLI_HELP_H

/* Prints the options of `vaultfs mount`. */
void help_mount_options(void);

/* Prints the options of `vaultfs login`. */
void help_login_options(void);

/* Prints the options of all commands that ask the server; help_remote() also explains PATH. */
void help_server(void);
void help_remote(void);

#endif
