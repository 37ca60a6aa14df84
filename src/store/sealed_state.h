/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_SEALED_STATE_H
#define STORE_SEALED_STATE_H

#include "store/sealed_db.h"

/* The state of a `bound` database: the sum of a keyed hash of each row. It stands in the file,
 * sealed, and changes with each row. So rows that somebody puts back, removes or adds without the
 * key are detected; a copy of the whole file that is put back is not. */
struct sealed_sum {
	uint64_t words[4]; /* a number modulo 2^256, the lowest first */
};

/* Adds a row to the sum, or subtracts it. 0 or -ENOMEM. */
int sealed_sum_move(const struct sealed_db *db, struct sealed_sum *sum, const void *row, size_t len,
		    bool add);

/* Records a row that the transaction has made or removed. 0 or -ENOMEM. */
int sealed_tx_move(struct sealed_tx *tx, const void *row, size_t len, bool add);

/* Whether this transaction sees the rows of the last commit. -EIO with a sentence. */
int sealed_state_check(struct sealed_tx *tx, const struct sealed_sum *sum, struct err *err);

/* Sets the state to `sum`, sealed with the keys of `db`, and ignores the recorded rows: for a new
 * database, or new keys. */
int sealed_state_put(struct sealed_tx *tx, const struct sealed_db *db, const struct sealed_sum *sum,
		     struct err *err);

/* At a commit: applies the recorded rows to the state. */
int sealed_state_keep(struct sealed_tx *tx, struct err *err);

#endif
