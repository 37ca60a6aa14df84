/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MIGRATE_PLAN_H
#define MIGRATE_PLAN_H

#include "conf/dotenv.h"
#include "kv/kv_version.h"
#include "remote/mapping.h"

/* The places of variables: each goes to a field of a secret. */

enum plan_action {
	PLAN_CREATE,  /* there is no such field yet */
	PLAN_SAME,    /* it has that value already */
	PLAN_DIFFERS, /* it has another value, which stays */
	PLAN_REPLACE,
};

struct plan_item {
	const struct dotenv_row *row;
	const char *variable; /* in the file, or in the environment */
	char *path, *field;   /* heap; the path is below the target */
	enum plan_action action;
};

struct plan {
	struct plan_item *items; /* by path, then by field */
	size_t count;
};

/* Finds a place for each row that counts: the mapping's; else "DB_MAX_CONNS" is the field
 * "max_conns" of "db", and "PORT" the field "value" of "port". The first `skip` bytes of a name are
 * ignored then, and so is `strip` (NULL: none) if it follows them. 0, -ENOMEM, or -EINVAL if two
 * variables get the same field, or a row of the mapping names no field. */
int plan_make(struct plan *p, const struct dotenv *from, const struct mapping *map, size_t skip,
	      const char *strip, struct err *err);
void plan_fini(struct plan *p);
#define _cleanup_plan_ _cleanup_(plan_fini)

/* The number of items from `i` on that belong to the same secret. */
size_t plan_group(const struct plan *p, size_t i);

/* Sets the actions of the items of one secret by its present content. Returns how many are to be
 * written. */
size_t plan_judge(struct plan_item *items, size_t count, const struct kv_version *now,
		  bool overwrite);

/* {"db/max_conns": "DB_MAX_CONNS"}, a mapping that plan_make() can read. NULL: no memory. */
cJSON *plan_mapping(const struct plan *p);

#endif
