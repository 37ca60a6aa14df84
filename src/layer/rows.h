/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAYER_ROWS_H
#define LAYER_ROWS_H

#include "base/err.h"
#include "kv/kv_version.h"

/* Fields that a file of ours names: those of `env_map`, of which each has a variable, and those of
 * `defaults`, of which each has a value. In order of path, then name. */
struct row {
	char *path; /* of the secret, below SOURCE; "" is SOURCE itself. Heap */
	char *name; /* heap; `name_len` bytes, may hold NUL */
	size_t name_len;
	char *variable;		      /* heap; NULL for one of `defaults` */
	const struct kv_field *field; /* of `defaults`; else NULL */
	struct kv_version *from;      /* that has it; a reference */
};

struct rows {
	struct row *all;
	size_t count, room;
};

/* {"database/connection/url": "DB_URL"}: what follows the last slash is the field, or what follows a
 * '#', which no path may hold then. 0 or -errno with a sentence; `to` is for rows_fini() in any case. */
int rows_read_map(const char *file, struct rows *to, struct err *err);

/* {"database/connection": {"url": "postgres://localhost", "port": 5432}}: an object is the fields of
 * the secret; anything else is the value of a field that is named as above. */
int rows_read_defaults(const char *file, struct rows *to, struct err *err);
void rows_fini(struct rows *rows);

/* NULL where there is none. */
const struct row *rows_find(const struct rows *rows, const char *path, const char *name,
			    size_t len);

/* The rows of a secret: the first, with their number. NULL where there are none. */
const struct row *rows_of(const struct rows *rows, const char *path, size_t *count);

/* The rows of all secrets below a folder, likewise. */
const struct row *rows_below(const struct rows *rows, const char *path, size_t *count);

#endif
