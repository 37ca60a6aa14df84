/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_LOCAL_PARTS_H
#define STORE_LOCAL_PARTS_H

#include "store/local.h"
#include "store/sealed_db.h"
#include "store/sealed_state.h"

/* What local.c, local_rows.c and local_all.c share: rows of the tables, as the SQL has them.
 *
 *      node       one for each secret and each folder on the way to one: a hash of its path, that of its
 *                 parent, its own name (sealed, about the parent's path) and, of a secret, what is known
 *                 of it (sealed, about the path)
 *      version    the values of one version (sealed, about path and number), unless destroyed */

#define LOCAL_DEPTH_MAX 2048 /* names in a path: what goes down takes stack for each */

struct local {
	struct sealed_db *db;
};

struct local_node {
	int64_t id; /* 0: there is none */
	cJSON *doc; /* NULL: a folder alone */
};
static inline void local_node_fini(struct local_node *n)
{
	cJSON_Delete(n->doc);
}
#define _cleanup_node_ _cleanup_(local_node_fini)

int local_no_memory(struct err *err);

/* The node of a path; 0 also where there is none. */
int local_node_get(struct sealed_tx *tx, struct local *l, const char *path, struct local_node *n,
		   struct err *err);
/* Writes its doc, and makes it, with all above, where it is not there. */
int local_node_put(struct sealed_tx *tx, struct local *l, const char *path, struct local_node *n,
		   struct err *err);
/* Seals its row with other keys, those of `to`. */
int local_node_reseal(struct sealed_tx *tx, struct local *to, const char *path,
		      struct local_node *n, struct err *err);
/* It is no secret any more; and no folder, with all above, where nothing is below it. */
int local_node_drop(struct sealed_tx *tx, struct local *l, const char *path, int64_t id,
		    struct err *err);

/* The values of a version: *data is NULL where there is no row. Sealed by local_body_seal(). */
int local_body_get(struct sealed_tx *tx, struct local *l, const char *path, int64_t id,
		   int64_t number, cJSON **data, struct err *err);
int local_body_seal(const struct sealed_db *db, const char *path, int64_t number,
		    const struct buf *text, struct buf *sealed);
int local_body_put(struct sealed_tx *tx, int64_t id, int64_t number, const struct buf *sealed,
		   struct err *err);
/* Those from `first` to before `end`. */
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

/* Opens every row, and finds that none is missing. */
int local_verify(struct local *l, struct limit limit, struct err *err);

/* What all rows come to, with the keys of `l`. */
int local_add_up(struct sealed_tx *tx, const struct local *l, struct sealed_sum *sum,
		 struct err *err);

/* That no row was put back, removed or added by somebody without the key. */
int local_check_state(struct local *l, struct limit limit, struct err *err);

/* "app", "db" -> "app/db". Heap; NULL: no memory. */
char *local_join(const char *folder, const char *name);

#endif
