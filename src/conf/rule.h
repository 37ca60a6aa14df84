/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONF_RULE_H
#define CONF_RULE_H

#include "base/err.h"

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A section [path "PATTERN"] of the configuration file. The mount's options hold for anything that
 * it does not set. */

enum { /* bits of `has` */
       RULE_OWNER = 1,
       RULE_GROUP = 2,
       RULE_MODE = 4,
       RULE_DIR_MODE = 8,
       RULE_TTL = 16,
       RULE_NEWLINE = 32,
       RULE_BINARY = 64,
       RULE_MAX_SIZE = 128,
       RULE_ALLOW = 256,
};

struct rule_names {
	char **names;
	size_t count;
};

/* match.FIELD=REGEX */
struct rule_match {
	struct rule_match *next;
	regex_t regex;
	char field[];
};

struct rule {
	struct rule *next; /* in the order of the file */
	unsigned has;
	uint64_t owner, group, mode, dir_mode;
	uint64_t ttl;		  /* ns */
	uint64_t newline, binary; /* as in struct conf */
	uint64_t max_size;	  /* bytes */
	struct rule_names require, allow;
	struct rule_match *matches;
	char pattern[]; /* of fnmatch(3) */
};

/* Appends a rule for a section's head, [path "PATTERN"]. 0, -ENOMEM, or -EINVAL with a sentence if
 * it is no such head. */
int rule_add(struct rule **list, const char *head, struct rule **out, struct err *err);

/* Sets one row of the section. 0, -ENOMEM, or -EINVAL with a sentence that says what it takes. */
int rule_set(struct rule *rule, const char *name, const char *value, struct err *err);

bool rule_names_have(const struct rule_names *names, const char *name, size_t len);

void rules_free(struct rule *list);

#endif
