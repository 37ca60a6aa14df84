/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_LOCAL_PARTS_H
#define STORE_LOCAL_PARTS_H

#include "store/local.h"
#include "store/sealed_db.h"
#include "store/sealed_state.h"

/* Shared by local.c, local_rows.c and local_all.c: rows of the tables of the SQL schema.
 *
 *      node       one for each secret and each folder above one: hashes of its path and its parent's,
 *                 its name (sealed, about the parent's path) and, for a secret, its metadata (sealed,
 *                 about the path)
 *      version    the values of one version (sealed, about path and number), unless destroyed */

#define LOCAL_DEPTH_MAX 2048 /* names in a path: recursion takes stack for each */

struct local {
	struct sealed_db *db;
};

struct local_node {
	int64_t id; /* 0: there is none */
	cJSON *doc; /* NULL: only a folder */
};
static inline void local_node_fini(struct local_node *n)
{
	cJSON_Delete(n->doc);
}
#define _cleanup_node_ _cleanup_(local_node_fini)

int local_no_memory(struct err *err);

/* The node of a path; 0 even if there is none. */
int local_node_get(struct sealed_tx *tx, struct local *l, const char *path, struct local_node *n,
		   struct err *err);
/* Writes its doc; creates the node and its parents if they do not exist. */
int local_node_put(struct sealed_tx *tx, struct local *l, const char *path, struct local_node *n,
		   struct err *err);
/* Seals its row with the keys of `to`. */
int local_node_reseal(struct sealed_tx *tx, struct local *to, const char *path,
		      struct local_node *n, struct err *err);
/* Removes the secret; also its node and those above it, as far as nothing is below them. */
int local_node_drop(struct sealed_tx *tx, struct local *l, const char *path, int64_t id,
		    struct err *err);

/* The values of a version: *data is NULL if there is no row. local_body_seal() seals them. */
int local_body_get(struct sealed_tx *tx, struct local *l, const char *path, int64_t id,
		   int64_t number, cJSON **data, struct err *err);
int local_body_seal(const struct sealed_db *db, const char *path, int64_t number,
		    const struct buf *text, struct buf *sealed);
int local_body_put(struct sealed_tx *tx, int64_t id, int64_t number, const struct buf *sealed,
		   struct err *err);
/* Drops the versions from `first` up to, but not including, `end`. */
int local_body_drop(struct sealed_tx *tx, int64_t id, int64_t first, int64_t end, struct err *err);

/* The children of a folder, by name. */
struct local_child {
	int64_t id;
	bool secret, folder;
	char *name;
};
struct local_children {
	size_t count;
	struct local_child *all;
};
int local_children_get(struct sealed_tx *tx, struct local *l, const char *path,
		       struct local_children *out, struct err *err);
void local_children_fini(struct local_children *c);
#define _cleanup_children_ _cleanup_(local_children_fini)

/* Opens every row, and checks that none is missing. */
int local_verify(struct local *l, struct limit limit, struct err *err);

/* The sum of all rows, with the keys of `l`. */
int local_add_up(struct sealed_tx *tx, const struct local *l, struct sealed_sum *sum,
		 struct err *err);

/* Checks that nobody without the key has put back, removed or added a row. */
int local_check_state(struct local *l, struct limit limit, struct err *err);

/* "app", "db" -> "app/db". Heap; NULL: no memory. */
char *local_join(const char *folder, const char *name);

#endif
