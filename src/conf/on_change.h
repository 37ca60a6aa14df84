/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONF_ON_CHANGE_H
#define CONF_ON_CHANGE_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What a section [on_change "PATTERN"] of the configuration file says. */
struct on_change {
	struct on_change *next; /* in the order of the file */
	char *run;		/* a command; NULL: a signal */
	uint64_t shell;		/* bool: the command is one for sh -c */
	int signal;		/* 0: none */
	char *pid_file;		/* of whom to send it to */
	uint64_t timeout;	/* ns that it may take */
	uint64_t interval;	/* ns between two starts for one path */
	char pattern[];		/* of fnmatch(3) */
};

/* Whether the line is such a section's head, whatever is wrong with it. */
bool on_change_is_head(const char *line);

/* As rule_add() and rule_set(). */
int on_change_add(struct on_change **list, const char *head, struct on_change **out,
		  struct err *err);
int on_change_set(struct on_change *hook, const char *name, const char *value, struct err *err);

/* Whether all of them say what to do: 0 or -EINVAL. */
int on_change_check(const struct on_change *list, struct err *err);

void on_change_free(struct on_change *list);

/* A command's words: parted by blanks, with '...' and "..." and \ as in a shell, and nothing else of one.
 * NULL-terminated, each and all heap; -EINVAL for a quote without its end, -ENOMEM. */
int on_change_words(const char *command, char ***out);
void on_change_words_free(char **words);

#endif
