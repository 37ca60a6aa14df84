/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_SEALED_DB_PARTS_H
#define STORE_SEALED_DB_PARTS_H

#include "base/lock.h"
#include "store/sealed_db.h"
#include "store/sealed_state.h"

#include <sys/types.h>

/* Shared by sealed_db.c and sealed_db_open.c only. */

#define STATEMENTS_MAX 40

struct sealed_tx {
	struct sealed_db *db;
	sqlite3 *sql;
	struct limit limit; /* of the current transaction */
	bool begun;
	bool moved; /* rows were made or removed: `delta` is the sum of the changes */
	struct sealed_sum delta;
	struct {
		const char *text;
		sqlite3_stmt *s;
	} kept[STATEMENTS_MAX];
	struct lock lock; /* guards what follows */
	struct cond freed;
	bool taken;
};

struct sealed_db {
	char *path, *kind, *schema, *advice;
	struct store_secrets *secrets; /* secret memory */
	bool alone;
	bool bound;   /* rows are bound: see store/sealed_state.h */
	bool old;     /* in the format before they were */
	dev_t device; /* of the open file */
	ino_t inode;
	struct store_salts salts; /* for a machine's key */
	size_t salt;		  /* index of the one in use */
	struct sealed_tx reads, writes;
};

/* Opens and sets up a connection to `path`, in `tx`. */
int sealed_tx_connect(struct sealed_tx *tx, struct sealed_db *db, const char *path,
		      struct err *err);
void sealed_tx_close(struct sealed_tx *tx);

/* Runs SQL without results, within the limit. */
int sealed_tx_run(struct sealed_tx *tx, const char *sql, struct err *err);

/* Turns SQLite's result into -errno with a sentence. */
int sealed_tx_fail(struct sealed_tx *tx, int rc, struct err *err);

/* Writes one row of the table "header". `len` is that of `value`. */
int sealed_header_put(struct sealed_tx *tx, const char *name, const void *value, size_t len,
		      struct err *err);
/* The value of a row, at least `least` and at most `most` bytes, with a NUL after it. */
int sealed_header_get(struct sealed_tx *tx, const char *name, size_t least, size_t most,
		      struct buf *out, struct err *err);
/* Writes how the keys are made, and a proof of them. */
int sealed_header_write(struct sealed_tx *tx, const struct sealed_db *db,
			const struct store_kdf *kdf, struct err *err);

#endif
