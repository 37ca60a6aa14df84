/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OFFLINE_COPY_H
#define OFFLINE_COPY_H

#include "store/sealed_db.h"

/* The file of the copy: rows by who they were kept for and a key, of bytes that are sealed together
 * with both. */
struct copy {
	struct sealed_db *db;
	const char *path;
	size_t max;  /* bytes of all rows; what was written first goes first */
	int64_t seq; /* of the row that was written last; the writer's */
};

struct copy_key {
	const char *who;
	const char *bytes;
	size_t len;
};

/* Opens it, or makes it; one that is damaged, or of another key, is put out of the way with a warning,
 * and made anew. `path` and `max` are set. 0 or -errno with a sentence. */
int copy_open(struct copy *c, const struct store_key *key, struct limit limit, struct err *err);
void copy_close(struct copy *c);

/* What is written between these is there, all of it, when copy_end() returns 0. sealed_tx_end() after
 * that in any case. */
int copy_begin(struct copy *c, struct limit limit, struct sealed_tx **tx, struct err *err);
int copy_end(struct copy *c, struct sealed_tx *tx, struct err *err);

/* To make room, values go first; then what leads to them, without which they are not found. Texts are
 * not counted, and the last 64 of these stay. */
enum copy_class { COPY_VALUE, COPY_WAY, COPY_TEXT };
int copy_put(struct copy *c, struct sealed_tx *tx, const struct copy_key *key,
	     const struct buf *text, enum copy_class class, struct err *err);
int copy_remove(struct copy *c, struct sealed_tx *tx, const struct copy_key *key, struct err *err);
/* All that was kept for them. */
int copy_forget(struct copy *c, struct sealed_tx *tx, const char *who, struct err *err);

/* Appended to `out`. 0, -ENOENT or -errno. */
int copy_read(struct copy *c, const struct copy_key *key, struct limit limit, struct buf *out,
	      struct err *err);

#endif
