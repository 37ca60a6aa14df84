/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_SEALED_DB_H
#define STORE_SEALED_DB_H

#include "base/buf.h"
#include "base/cancel.h"
#include "base/err.h"
#include "store/store_key.h"

#include <sqlite3.h>

/* An SQLite database that hides everything from readers without the key, except the number of rows
 * and their lengths: contents are sealed before they go in, and names are keyed hashes. A committed
 * transaction has reached the disk. Several threads and processes may use one file.
 *
 * All functions: -EIO with a sentence that says what to do if the file is damaged, -ETIMEDOUT if
 * others hold it past the limit, -ENOSPC, -ENOMEM. */
struct sealed_db;
struct sealed_tx;

struct sealed_db_config {
	const char *path;
	const char *kind;   /* "secrets": a file of another kind is not opened */
	const char *schema; /* SQL for a new file: only tables and indexes */
	const char *advice; /* for damage: "put back a copy of it" */
	const struct store_key *key;
	bool create;	    /* make a missing file, for its owner alone */
	bool alone;	    /* nobody else may have it open until it is closed */
	bool bound;	    /* each row is bound to the state of all: see store/sealed_state.h */
	bool guarded;	    /* refuse it if everybody may put another file in its place */
	struct limit limit; /* for opening */
};

/* Also checks that SQLite finds all pages sound. Besides the above: -ENOENT; -EKEYREJECTED for
 * another key; -EMEDIUMTYPE if it is no such file; -EBUSY (`alone`); -EPERM if it, or a file beside
 * it, is not to be trusted (base/trust.h). */
int sealed_db_open(const struct sealed_db_config *c, struct sealed_db **out, struct err *err);
void sealed_db_close(struct sealed_db *db);
/* Whether it has the format from before rows were bound. It is used as it is until it gets new
 * keys. */
bool sealed_db_is_old(const struct sealed_db *db);
const char *sealed_db_path(const struct sealed_db *db);

/* A transaction. Reads see one consistent state. With `write` only one runs at a time, among all
 * processes; its changes last if sealed_tx_commit() returns 0, and vanish otherwise. Call
 * sealed_tx_end() in any case. */
int sealed_tx_begin(struct sealed_db *db, bool write, struct limit limit, struct sealed_tx **out,
		    struct err *err);
int sealed_tx_commit(struct sealed_tx *tx, struct err *err);
void sealed_tx_end(struct sealed_tx *tx);

/* The statement for an SQL literal, which is cached. Bind by sqlite3_bind_*(), then step: 1 for a
 * row, 0 for the end, -errno. NULL with `err` set. */
sqlite3_stmt *sealed_tx_prepare(struct sealed_tx *tx, const char *sql, struct err *err);
int sealed_tx_step(struct sealed_tx *tx, sqlite3_stmt *s, struct err *err);

/* Seals `len` bytes about a text, and appends the result to `out`. 0 or -errno. */
int sealed_db_seal(const struct sealed_db *db, const void *about, size_t about_len,
		   const char *bytes, size_t len, struct buf *out);
/* Opens sealed bytes: -EIO with a sentence if they were changed or `about` differs. */
int sealed_db_unseal(const struct sealed_db *db, const void *about, size_t about_len,
		     const void *sealed, size_t len, struct buf *out, struct err *err);
/* Opens the sealed bytes in a row's column. */
int sealed_db_unseal_column(const struct sealed_db *db, const void *about, size_t about_len,
			    sqlite3_stmt *s, int column, struct buf *out, struct err *err);

/* A keyed hash for a name: equal for equal bytes, and revealing nothing about them. */
enum { SEALED_NAME = 16 };
int sealed_db_name(const struct sealed_db *db, const void *bytes, size_t len, unsigned char *out);

/* For a row that is missing or invalid: sets the sentence of a damaged file; -EIO. */
int sealed_db_damaged(const struct sealed_db *db, const char *what, struct err *err);

/* Gives a database that was opened `alone` a new key. Calls `reseal` within one transaction: it
 * reads each row by `from`, and replaces it sealed by `to`; if rows are bound, it ends with
 * sealed_state_put(). Afterwards no page of the file holds anything sealed with the old key, and
 * its format is the newest. */
int sealed_db_rekey(struct sealed_db *db, const struct store_key *key,
		    int (*reseal)(struct sealed_tx *tx, const struct sealed_db *from,
				  const struct sealed_db *to, struct err *err),
		    struct err *err);

static inline void cleanup_sealed_tx(struct sealed_tx **tx)
{
	sealed_tx_end(*tx);
}
#define _cleanup_tx_ _cleanup_(cleanup_sealed_tx)

#endif
