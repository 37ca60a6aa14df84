/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MIGRATE_PLAN_H
#define MIGRATE_PLAN_H

#include "conf/dotenv.h"
#include "kv/kv_version.h"
#include "remote/mapping.h"

/* Where variables go: each to a field of a secret. */

enum plan_action {
	PLAN_CREATE,  /* there is no such field yet */
	PLAN_SAME,    /* it holds that already */
	PLAN_DIFFERS, /* it holds something else, which stays */
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

/* Finds a place for each row that counts: the mapping's; else "DB_MAX_CONNS" is the field "max_conns" of
 * "db", and "PORT" the field "value" of "port". `skip` bytes in front of a name are not part of it there,
 * nor is `strip` (NULL: none) that others begin with behind them.
 * 0, -ENOMEM, or -EINVAL where two are to be the same field, or a row of the mapping names no field. */
int plan_make(struct plan *p, const struct dotenv *from, const struct mapping *map, size_t skip,
	      const char *strip, struct err *err);
void plan_fini(struct plan *p);
#define _cleanup_plan_ _cleanup_(plan_fini)

/* How many items from number `i` on are of the same secret. */
size_t plan_group(const struct plan *p, size_t i);

/* Sets the actions of these items, which are of one secret, by what is in it. How many are to be
 * written. */
size_t plan_judge(struct plan_item *items, size_t count, const struct kv_version *now,
		  bool overwrite);

/* {"db/max_conns": "DB_MAX_CONNS"}, as plan_make() would read it. NULL: no memory. */
cJSON *plan_mapping(const struct plan *p);

#endif
