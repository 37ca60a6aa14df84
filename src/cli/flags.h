/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_FLAGS_H
#define CLI_FLAGS_H

#include "cli/command.h"

#define FLAGS_MAX 12

/* A command's arguments, parsed by its table; and -o and -c, which all commands have that ask the
 * server. */
struct flags {
	const char *value[FLAGS_MAX]; /* by row; NULL: not given; "" for one that takes no value */
	const char *conf_file;
	char *options; /* heap */
	char **words;  /* arguments that are no flags, ended by NULL */
	int count;
};

/* EXIT_OK, or EXIT_LOCAL after printing what is wrong, for example fewer words than `least` or more
 * than `most`. flags_fini() in both cases. */
int flags_parse(struct flags *f, const struct command *c, int least, int most, int argc,
		char **argv);
void flags_fini(struct flags *f);

/* A whole number from 1 on. 0 or -EINVAL. */
int flags_number(const char *text, long long *out);

#endif
