/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_SEALED_STATE_H
#define STORE_SEALED_STATE_H

#include "store/sealed_db.h"

/* What all rows of a `bound` database come to: the sum of a keyed hash of each. It stands in the file,
 * sealed, and changes with each row that comes or goes, so that rows which somebody puts back, removes
 * or adds without the key are found. Somebody who puts back a copy of the whole file is not. */
struct sealed_sum {
	uint64_t words[4]; /* a number modulo 2^256, the lowest first */
};

/* Adds a row, or takes it off again. 0 or -ENOMEM. */
int sealed_sum_move(const struct sealed_db *db, struct sealed_sum *sum, const void *row, size_t len,
		    bool add);

/* Tells the transaction of a row that it has made or removed. 0 or -ENOMEM. */
int sealed_tx_move(struct sealed_tx *tx, const void *row, size_t len, bool add);

/* Whether the rows that this transaction sees are those of the last commit. -EIO with a sentence. */
int sealed_state_check(struct sealed_tx *tx, const struct sealed_sum *sum, struct err *err);

/* Has the rows be those of `sum`, sealed with the keys of `db`, in place of what the transaction was
 * told: for a new database, or new keys. */
int sealed_state_put(struct sealed_tx *tx, const struct sealed_db *db, const struct sealed_sum *sum,
		     struct err *err);

/* At a commit: what the transaction was told. */
int sealed_state_keep(struct sealed_tx *tx, struct err *err);

#endif
