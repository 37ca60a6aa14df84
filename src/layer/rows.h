/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAYER_ROWS_H
#define LAYER_ROWS_H

#include "base/err.h"
#include "kv/kv_version.h"

/* Fields named by a file: those of `env_map`, each with a variable, and those of `defaults`, each
 * with a value. Sorted by path, then name. */
struct row {
	char *path; /* of the secret, below SOURCE; "" is SOURCE itself. Heap */
	char *name; /* heap; `name_len` bytes, may hold NUL */
	size_t name_len;
	char *variable;		      /* heap; NULL for one of `defaults` */
	const struct kv_field *field; /* of `defaults`; else NULL */
	struct kv_version *from;      /* holds the field; a reference */
};

struct rows {
	struct row *all;
	size_t count, room;
};

/* {"database/connection/url": "DB_URL"}: the field is the part after the last slash, or after a
 * '#', which paths may not hold then. 0 or -errno with a sentence; rows_fini() in any case. */
int rows_read_map(const char *file, struct rows *to, struct err *err);

/* {"database/connection": {"url": "postgres://localhost", "port": 5432}}: an object has the fields
 * of the secret; anything else is the value of a field, which is named as in rows_read_map(). */
int rows_read_defaults(const char *file, struct rows *to, struct err *err);
void rows_fini(struct rows *rows);

/* The row of this name, or NULL. */
const struct row *rows_find(const struct rows *rows, const char *path, const char *name,
			    size_t len);

/* The rows of a secret: the first one, and their number. NULL if there are none. */
const struct row *rows_of(const struct rows *rows, const char *path, size_t *count);

/* The rows of all secrets below a folder: the first one, and their number. */
const struct row *rows_below(const struct rows *rows, const char *path, size_t *count);

#endif
