/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_SEALED_DB_PARTS_H
#define STORE_SEALED_DB_PARTS_H

#include "base/lock.h"
#include "store/sealed_db.h"
#include "store/sealed_state.h"

#include <sys/types.h>

/* What sealed_db.c and sealed_db_open.c share, and nobody else sees. */

#define STATEMENTS_MAX 40

struct sealed_tx {
	struct sealed_db *db;
	sqlite3 *sql;
	struct limit limit; /* of the transaction under way */
	bool begun;
	bool moved; /* rows have come or gone: `delta` is what they come to */
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
	bool bound;   /* rows are: see store/sealed_state.h */
	bool old;     /* of before they were */
	dev_t device; /* of the file that is open */
	ino_t inode;
	struct store_salts salts; /* of a machine's key */
	size_t salt;		  /* which of them */
	struct sealed_tx reads, writes;
};

/* A connection to `path`, set up; in `tx`. */
int sealed_tx_connect(struct sealed_tx *tx, struct sealed_db *db, const char *path,
		      struct err *err);
void sealed_tx_close(struct sealed_tx *tx);

/* SQL without results, up to a limit. */
int sealed_tx_run(struct sealed_tx *tx, const char *sql, struct err *err);

/* What SQLite's result means. -errno, with a sentence. */
int sealed_tx_fail(struct sealed_tx *tx, int rc, struct err *err);

/* One row of the table "header". `len` is that of `value`. */
int sealed_header_put(struct sealed_tx *tx, const char *name, const void *value, size_t len,
		      struct err *err);
/* The value of a row, at least `least` and at most `most` bytes, with a NUL after it. */
int sealed_header_get(struct sealed_tx *tx, const char *name, size_t least, size_t most,
		      struct buf *out, struct err *err);
/* Puts in all that says how the keys come about, and a proof of them. */
int sealed_header_write(struct sealed_tx *tx, const struct sealed_db *db,
			const struct store_kdf *kdf, struct err *err);

#endif
