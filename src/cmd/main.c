// SPDX-License-Identifier: Apache-2.0
/* vaultfs: finds the command and runs it. Under the name mount.vaultfs it is the helper of
 * mount(8). */

#include "config.h"
#include "cmd/commands.h"

#include "cmd/admin/admin_commands.h"
#include "host/child.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#ifdef __SANITIZE_ADDRESS__
/* libfuse keeps an interrupt that comes after the answer until the next request; without one, it is
 * never freed. */
const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void)
{
	return "leak:libfuse3.so";
}
#endif

static bool is_help(const char *arg)
{
	return !strcmp(arg, "--help") || !strcmp(arg, "-h");
}

static int run(int argc, char **argv)
{
	const struct command *c;

	if (!strcmp(basename(argv[0] ? argv[0] : ""), MOUNT_HELPER))
		return mount_helper_run(argc, argv);
	if (argc < 2) {
		command_help_all();
		return EXIT_LOCAL;
	}
	if (is_help(argv[1]) || !strcmp(argv[1], "help")) {
		c = argc > 2 ? command_find(argv[2]) : NULL;
		if (c)
			command_help(c);
		else
			command_help_all();
		return EXIT_OK;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		printf("vaultfs %s\n", PACKAGE_VERSION);
		return EXIT_OK;
	}
	c = command_find(argv[1]);
	if (!c)
		return command_fail(EXIT_LOCAL, "there is no command %s (vaultfs --help)", argv[1]);
	for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (is_help(argv[i])) {
			command_help(c);
			return EXIT_OK;
		}
	}
	return c->run(argc - 1, argv + 1);
}

/* Output that could not be written is a failure. */
int main(int argc, char **argv)
{
	int status;

	child_begin();
	status = run(argc, argv);

	if ((fflush(stdout) == EOF || ferror(stdout)) && status == EXIT_OK)
		return command_fail(EXIT_LOCAL, "cannot write the output: %s", strerror(errno));
	return status;
}
