/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONF_ON_CHANGE_H
#define CONF_ON_CHANGE_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* A section [on_change "PATTERN"] of the configuration file. */
struct on_change {
	struct on_change *next; /* in the order of the file */
	char *run;		/* a command; NULL: a signal */
	uint64_t shell;		/* bool: run the command by sh -c */
	int signal;		/* 0: none */
	char *pid_file;		/* names the process that gets the signal */
	uint64_t timeout;	/* ns that it may take */
	uint64_t interval;	/* the least ns between two starts for one path */
	char pattern[];		/* of fnmatch(3) */
};

/* Whether the line is the head of such a section, valid or not. */
bool on_change_is_head(const char *line);

/* See rule_add() and rule_set() in conf/rule.h. */
int on_change_add(struct on_change **list, const char *head, struct on_change **out,
		  struct err *err);
int on_change_set(struct on_change *hook, const char *name, const char *value, struct err *err);

/* Checks that each section says what to do: 0 or -EINVAL. */
int on_change_check(const struct on_change *list, struct err *err);

void on_change_free(struct on_change *list);

/* Splits a command into words at blanks. '...', "..." and \ quote as in a shell; nothing else is
 * special. Heap, NULL-terminated; -EINVAL if a quote is not closed, -ENOMEM. */
int on_change_words(const char *command, char ***out);
void on_change_words_free(char **words);

#endif
