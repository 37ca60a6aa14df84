/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OFFLINE_COPY_H
#define OFFLINE_COPY_H

#include "store/sealed_db.h"

/* The file of the copy: rows by owner and key, whose bytes are sealed together with both. */
struct copy {
	struct sealed_db *db;
	const char *path;
	size_t max;  /* bytes of all rows; the oldest are dropped first */
	int64_t seq; /* of the last row; only the writer uses it */
};

struct copy_key {
	const char *who;
	const char *bytes;
	size_t len;
};

/* Opens it, or makes it. A file that is damaged, or has another key, is moved out of the way with a
 * warning, and made anew. Set `path` and `max` first. 0 or -errno with a sentence. */
int copy_open(struct copy *c, const struct store_key *key, struct limit limit, struct err *err);
void copy_close(struct copy *c);

/* A transaction: all writes between these last if copy_end() returns 0. Then call sealed_tx_end()
 * in any case. */
int copy_begin(struct copy *c, struct limit limit, struct sealed_tx **tx, struct err *err);
int copy_end(struct copy *c, struct sealed_tx *tx, struct err *err);

/* Values are dropped first to make room; then the ways that lead to them, without which they are
 * not found. Texts are not counted; the last 64 stay. */
enum copy_class { COPY_VALUE, COPY_WAY, COPY_TEXT };
int copy_put(struct copy *c, struct sealed_tx *tx, const struct copy_key *key,
	     const struct buf *text, enum copy_class class, struct err *err);
int copy_remove(struct copy *c, struct sealed_tx *tx, const struct copy_key *key, struct err *err);
/* Drops all rows of that owner. */
int copy_forget(struct copy *c, struct sealed_tx *tx, const char *who, struct err *err);

/* Appends the row to `out`. 0, -ENOENT or -errno. */
int copy_read(struct copy *c, const struct copy_key *key, struct limit limit, struct buf *out,
	      struct err *err);

#endif
