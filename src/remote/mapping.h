/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REMOTE_MAPPING_H
#define REMOTE_MAPPING_H

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"

/* Which variable provides which field: a JSON object, {"database/url": "DATABASE_URL"}, whose names
 * are paths followed by the field, after a slash or a '#'. */
struct mapping {
	cJSON *json; /* NULL: none */
};

/* Reads a file; NULL: an empty mapping. 0; -EINVAL if it is no mapping, or gives two fields to one
 * variable; -errno of reading it; with a sentence. mapping_fini() in any case. */
int mapping_read(struct mapping *m, const char *file, struct err *err);
void mapping_fini(struct mapping *m);
#define _cleanup_mapping_ _cleanup_(mapping_fini)

/* The variable of a field; NULL if there is no row. Rows may have the whole path, or the path
 * without a leading `source`, or only the field. */
const char *mapping_variable(const struct mapping *m, const char *path, const char *field,
			     const char *source);

/* The row of a variable, "database/url"; NULL if there is none. */
const char *mapping_path(const struct mapping *m, const char *variable);

/* The name of a shell variable, from a prefix and a field: upper case, with '_' for characters that
 * names cannot hold. Heap; NULL: no memory. */
char *mapping_name(const char *prefix, const char *field);

#endif
