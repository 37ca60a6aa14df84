/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REMOTE_MAPPING_H
#define REMOTE_MAPPING_H

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"

/* Which variable stands for which field: a JSON object, {"database/url": "DATABASE_URL"}, of which the
 * names are paths with the field at their end, after a slash or a '#'. */
struct mapping {
	cJSON *json; /* NULL: none */
};

/* NULL as a file: none. 0; -EINVAL for what is no mapping, or gives two fields to a variable, -errno of
 * reading it; with a sentence. mapping_fini() in any case. */
int mapping_read(struct mapping *m, const char *file, struct err *err);
void mapping_fini(struct mapping *m);
#define _cleanup_mapping_ _cleanup_(mapping_fini)

/* The variable of a field; NULL where there is no row. Rows may have the path whole, or without `source`
 * in front, or the field alone. */
const char *mapping_variable(const struct mapping *m, const char *path, const char *field,
			     const char *source);

/* The row of a variable, "database/url"; NULL where there is none. */
const char *mapping_path(const struct mapping *m, const char *variable);

/* A shell's name of a variable, made of a prefix and a field: letters upper-cased, what no name may hold
 * as '_'. Heap; NULL: no memory. */
char *mapping_name(const char *prefix, const char *field);

#endif
