/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RULE_RULES_H
#define RULE_RULES_H

#include "conf/rule.h"

#include <sys/stat.h>

/* Which section of the configuration holds for a path: the first whose pattern matches. Paths are
 * those of the engine; a pattern may include the engine's name. A field's section is the first that
 * matches its secret, or the secret's path with "/FIELD". A plain value; nothing is cached. */
struct rules {
	const struct rule *first; /* NULL: there are none */
	const char *label;	  /* of the engine: "secret" */
};

/* The owner and permissions of a file or directory. */
struct access {
	uid_t uid;
	gid_t gid;
	mode_t mode, dir_mode;
};

/* The section, or NULL if none holds. */
const struct rule *rules_of(const struct rules *rules, const char *path);
const struct rule *rules_of_field(const struct rules *rules, const char *path, const char *field);

/* Overrides `a` by the section's settings. `rule` may be NULL. */
void rule_access(const struct rule *rule, struct access *a);

/* The access to a file with all fields of a secret: the secret's own, minus anything that a section
 * of one of its fields may refuse. */
void rules_whole_access(const struct rules *rules, const char *path, struct access *a);

/* The ttl for that path. */
uint64_t rules_ttl(const struct rules *rules, const char *path, uint64_t ttl);

#endif
