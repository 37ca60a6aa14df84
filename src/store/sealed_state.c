// SPDX-License-Identifier: Apache-2.0
/* The state of a database as one number.
 *
 *      row, row, row, ...  --HMAC-->  h + h + h + ...  (mod 2^256)  --sealed-->  header "state"
 *
 * A write moves the sum by the rows that it changes, whatever the size of the rest; opening the
 * file adds up everything anew. The hashes have a key of their own, and the sum is sealed, so
 * nobody without the key can choose rows with the right sum. (The construction is MSet-Add-Hash:
 * Clarke et al., Incremental Multiset Hash Functions and Their Application to Memory Integrity
 * Checking, 2003.) The number of commits stands beside the sum, so that no two states are sealed
 * alike. */

#include "store/sealed_state.h"

#include "store/sealed_db_parts.h"

#include <errno.h>
#include <string.h>

#define STATE "state"

struct state {
	uint64_t commits;
	struct sealed_sum sum;
};

int sealed_sum_move(const struct sealed_db *db, struct sealed_sum *sum, const void *row, size_t len,
		    bool add)
{
	uint64_t hash[ARRAY_SIZE(sum->words)], over = add ? 0 : 1;

	if (crypt_name(db->secrets->state, row, len, hash, sizeof(hash)) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < ARRAY_SIZE(hash); i++) {
		/* a - b is a + ~b + 1. */
		unsigned __int128 n =
			(unsigned __int128)sum->words[i] + (add ? hash[i] : ~hash[i]) + over;

		sum->words[i] = (uint64_t)n;
		over = (uint64_t)(n >> 64);
	}
	return 0;
}

int sealed_tx_move(struct sealed_tx *tx, const void *row, size_t len, bool add)
{
	if (!tx->db->bound || tx->db->old)
		return 0;
	tx->moved = true;
	return sealed_sum_move(tx->db, &tx->delta, row, len, add);
}

static int read_state(struct sealed_tx *tx, struct state *state, struct err *err)
{
	_cleanup_buf_ struct buf sealed = {0}, text = {0};
	int r = sealed_header_get(tx, STATE, CRYPT_NONCE + CRYPT_TAG, 256, &sealed, err);

	if (r == 0)
		r = sealed_db_unseal(tx->db, STATE, strlen(STATE), sealed.data, sealed.len, &text,
				     err);
	if (r == 0 && text.len != sizeof(*state))
		r = sealed_db_damaged(tx->db, "its header makes no sense", err);
	if (r == 0)
		memcpy(state, text.data, sizeof(*state));
	return r;
}

static int write_state(struct sealed_tx *tx, const struct sealed_db *db, const struct state *state,
		       struct err *err)
{
	_cleanup_buf_ struct buf sealed = {0};

	if (sealed_db_seal(db, STATE, strlen(STATE), (const char *)state, sizeof(*state), &sealed) <
	    0)
		return err_set(err, ENOMEM, "no memory");
	tx->moved = false;
	return sealed_header_put(tx, STATE, sealed.data, sealed.len, err);
}

int sealed_state_check(struct sealed_tx *tx, const struct sealed_sum *sum, struct err *err)
{
	struct state state;
	int r;

	if (!tx->db->bound || tx->db->old)
		return 0;
	r = read_state(tx, &state, err);
	if (r == 0 && memcmp(&state.sum, sum, sizeof(*sum)) != 0)
		r = sealed_db_damaged(
			tx->db, "rows were put back from an older copy, removed or added", err);
	return r;
}

int sealed_state_put(struct sealed_tx *tx, const struct sealed_db *db, const struct sealed_sum *sum,
		     struct err *err)
{
	const struct state state = {.sum = *sum};

	return db->bound ? write_state(tx, db, &state, err) : 0;
}

int sealed_state_keep(struct sealed_tx *tx, struct err *err)
{
	struct state state;
	uint64_t over = 0;
	int r;

	if (!tx->moved)
		return 0;
	r = read_state(tx, &state, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(state.sum.words); i++) {
		unsigned __int128 n =
			(unsigned __int128)state.sum.words[i] + tx->delta.words[i] + over;

		state.sum.words[i] = (uint64_t)n;
		over = (uint64_t)(n >> 64);
	}
	state.commits++;
	return write_state(tx, tx->db, &state, err);
}
