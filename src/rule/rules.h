/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RULE_RULES_H
#define RULE_RULES_H

#include "conf/rule.h"

#include <sys/stat.h>

/* Which section of the configuration holds for a path: the first of which the pattern matches it. Paths
 * are those of the engine; a pattern may name the engine too. A field's section is the first that
 * matches its secret, or the secret's path with "/FIELD". A plain value; nothing is kept. */
struct rules {
	const struct rule *first; /* NULL: there are none */
	const char *label;	  /* of the engine: "secret" */
};

/* Who may use a file or directory, and how. */
struct access {
	uid_t uid;
	gid_t gid;
	mode_t mode, dir_mode;
};

/* NULL where none holds. */
const struct rule *rules_of(const struct rules *rules, const char *path);
const struct rule *rules_of_field(const struct rules *rules, const char *path, const char *field);

/* Puts what the section says in the place of what `a` says. `rule` may be NULL. */
void rule_access(const struct rule *rule, struct access *a);

/* For a file with all fields of a secret: as the secret, without what a section of any of its fields
 * may refuse. */
void rules_whole_access(const struct rules *rules, const char *path, struct access *a);

/* For how long what was read there is fresh. */
uint64_t rules_ttl(const struct rules *rules, const char *path, uint64_t ttl);

#endif
