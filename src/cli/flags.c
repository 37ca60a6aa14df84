// SPDX-License-Identifier: Apache-2.0
/* Parses arguments by a command's table. Long names may have a single dash too, as in the official
 * clients. */

#include "cli/flags.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_LONG = 256 };

/* Fills the rows for getopt_long_only(3); returns their number. */
static int make_rows(const struct flag *flags, struct option *rows, char *letters)
{
	int n = 0, rows_used = 0;

	letters += strlen(strcpy(letters, "o:c:"));
	for (; flags && n < FLAGS_MAX && (flags[n].letter || flags[n].name); n++) {
		if (flags[n].letter) {
			*letters++ = flags[n].letter;
			if (flags[n].meaning)
				*letters++ = ':';
		}
		if (flags[n].name)
			rows[rows_used++] = (struct option){
				.name = flags[n].name,
				.has_arg = flags[n].meaning ? required_argument : no_argument,
				.val = FIRST_LONG + n};
	}
	*letters = '\0';
	return n;
}

static int row_of(const struct flag *flags, int n, int option)
{
	if (option >= FIRST_LONG)
		return option - FIRST_LONG;
	for (int i = 0; i < n; i++)
		if (flags[i].letter == option)
			return i;
	return -1;
}

int flags_parse(struct flags *f, const struct command *c, int least, int most, int argc,
		char **argv)
{
	struct option rows[FLAGS_MAX + 1] = {0};
	char letters[2 * FLAGS_MAX + 5];
	int n = make_rows(c->flags, rows, letters), option, row;

	*f = (struct flags){0};
	optind = 0;
	while ((option = getopt_long_only(argc, argv, letters, rows, NULL)) != -1) {
		row = row_of(c->flags, n, option);
		if (option == 'o' && command_join_options(&f->options, optarg) < 0)
			return command_fail(EXIT_LOCAL, "no memory");
		if (option == 'c')
			f->conf_file = optarg;
		else if (option == '?' || (option != 'o' && row < 0))
			return command_misused(c, "wrong usage");
		else if (row >= 0)
			f->value[row] = optarg ? optarg : "";
	}
	f->words = argv + optind;
	f->count = argc - optind;
	if (f->count < least)
		return command_misused(c, "something is missing");
	if (f->count > most)
		return command_misused(c, "too many arguments");
	return EXIT_OK;
}

void flags_fini(struct flags *f)
{
	free(f->options);
	*f = (struct flags){0};
}

int flags_number(const char *text, long long *out)
{
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	*out = strtoll(text, &end, 10);
	return errno || *end ? -EINVAL : 0;
}
