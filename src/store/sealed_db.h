/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_SEALED_DB_H
#define STORE_SEALED_DB_H

#include "base/buf.h"
#include "base/cancel.h"
#include "base/err.h"
#include "store/store_key.h"

#include <sqlite3.h>

/* An SQLite database of which nobody without the key can read more than how many rows there are and
 * how long each is: what is put into it is sealed here first, and names are keyed hashes. What is
 * committed has reached the disk. Several threads and processes may use one file.
 *
 * Everywhere: -EIO with a sentence that says what to do for a file that is damaged, -ETIMEDOUT where
 * others hold it past the limit, -ENOSPC, -ENOMEM. */
struct sealed_db;
struct sealed_tx;

struct sealed_db_config {
	const char *path;
	const char *kind;   /* "secrets": another kind's file is not opened */
	const char *schema; /* of a new file: SQL. Tables and indexes alone */
	const char *advice; /* what to do where it is damaged: "put back a copy of it" */
	const struct store_key *key;
	bool create;  /* where there is none, it is made, for its owner alone */
	bool alone;   /* and nobody else may have it open until it is closed; without, many may */
	bool bound;   /* each row is bound to the state of all: see store/sealed_state.h */
	bool guarded; /* refused where everybody may put another file in its place */
	struct limit limit; /* for opening */
};

/* Checks that SQLite finds all its pages sound. Besides the above: -ENOENT, -EKEYREJECTED for another
 * key, -EMEDIUMTYPE for what is no such file, -EBUSY (`alone`), -EPERM where it, or a file beside it, is
 * not to be trusted (base/trust.h). */
int sealed_db_open(const struct sealed_db_config *c, struct sealed_db **out, struct err *err);
void sealed_db_close(struct sealed_db *db);
/* Whether its format is that of before rows were bound: it is read and written as it is, until it gets
 * new keys. */
bool sealed_db_is_old(const struct sealed_db *db);
const char *sealed_db_path(const struct sealed_db *db);

/* A transaction: reads see one state of all; with `write` there is one at a time, of all processes, and
 * what it did is there when sealed_tx_commit() has returned 0, or else not. sealed_tx_end() in any
 * case: without a commit nothing was done. */
int sealed_tx_begin(struct sealed_db *db, bool write, struct limit limit, struct sealed_tx **out,
		    struct err *err);
int sealed_tx_commit(struct sealed_tx *tx, struct err *err);
void sealed_tx_end(struct sealed_tx *tx);

/* The statement of an SQL text, a literal: it is kept. Bind by sqlite3_bind_*(), then step: 1 for a
 * row, 0 for the end, -errno. NULL with `err` set. */
sqlite3_stmt *sealed_tx_prepare(struct sealed_tx *tx, const char *sql, struct err *err);
int sealed_tx_step(struct sealed_tx *tx, sqlite3_stmt *s, struct err *err);

/* Seals `len` bytes, together with what they are about; appended to `out`. 0 or -errno. */
int sealed_db_seal(const struct sealed_db *db, const void *about, size_t about_len,
		   const char *bytes, size_t len, struct buf *out);
/* The other way: -EIO with a sentence where it was changed, or is about something else. */
int sealed_db_unseal(const struct sealed_db *db, const void *about, size_t about_len,
		     const void *sealed, size_t len, struct buf *out, struct err *err);
/* The same of a row's column. */
int sealed_db_unseal_column(const struct sealed_db *db, const void *about, size_t about_len,
			    sqlite3_stmt *s, int column, struct buf *out, struct err *err);

/* What stands for a name: the same for the same bytes, and telling nothing of them. */
enum { SEALED_NAME = 16 };
int sealed_db_name(const struct sealed_db *db, const void *bytes, size_t len, unsigned char *out);

/* For a row that is not there, or not as it must be: sets the sentence of a damaged file; -EIO. */
int sealed_db_damaged(const struct sealed_db *db, const char *what, struct err *err);

/* A new key for all that is in a database that was opened `alone`: `reseal` is called within one
 * transaction, and replaces each row by what it reads from `from` and seals with `to`; where rows are
 * bound it ends with sealed_state_put(). Afterwards no page of the file holds anything sealed with the
 * old key, and its format is the newest. */
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
