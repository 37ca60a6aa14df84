// SPDX-License-Identifier: Apache-2.0
/* Transactions on a sealed database, and sealing.
 *
 * There are two connections: one for all readers and one for all writers, each used by one thread
 * at a time. So a read does not wait for a write to reach the disk. Between processes SQLite's own
 * locks do this; the busy handler waits no longer than the caller does. */

#include "store/sealed_db.h"

#include "base/clock.h"
#include "base/secmem.h"
#include "store/sealed_db_parts.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define POLL_MIN (NS_PER_MS)
#define POLL_MAX (20 * NS_PER_MS)

int sealed_db_damaged(const struct sealed_db *db, const char *what, struct err *err)
{
	return err_set(err, EIO, "%s is damaged (%s), and nothing is read from it: %s", db->path,
		       what, db->advice);
}

int sealed_tx_fail(struct sealed_tx *tx, int rc, struct err *err)
{
	const char *path = tx->db->path, *why = tx->sql ? sqlite3_errmsg(tx->sql) : "";

	switch (rc & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		if (tx->limit.cancel && cancel_fired(tx->limit.cancel))
			return err_set(err, EINTR, "interrupted while waiting for %s", path);
		return err_set(err, ETIMEDOUT, "%s is held by another process", path);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return sealed_db_damaged(tx->db, why, err);
	case SQLITE_FULL:
		return err_set(err, ENOSPC, "no room on the disk for %s", path);
	case SQLITE_NOMEM:
		return err_set(err, ENOMEM, "no memory");
	case SQLITE_READONLY:
		return err_set(err, EROFS, "%s cannot be written", path);
	case SQLITE_TOOBIG:
		return err_set(err, EFBIG, "too large for %s", path);
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
		return err_set(err, EACCES, "cannot open %s or the files beside it", path);
	}
	return err_set(err, EIO, "%s: %s", path, why);
}

/* SQLite calls it when another process holds the file. */
static int on_busy(void *arg, int times)
{
	struct sealed_tx *tx = arg;
	uint64_t now = clock_mono(), pause = POLL_MIN * (uint64_t)(times + 1);

	if (now >= tx->limit.deadline)
		return 0;
	if (pause > POLL_MAX)
		pause = POLL_MAX;
	if (now + pause > tx->limit.deadline)
		pause = tx->limit.deadline - now;
	return !cancel_sleep(tx->limit.cancel, now + pause);
}

static const char settings[] = "PRAGMA trusted_schema=OFF;"
			       "PRAGMA cell_size_check=ON;"
			       "PRAGMA temp_store=MEMORY;"
			       "PRAGMA secure_delete=ON;"
			       "PRAGMA synchronous=FULL;";

int sealed_tx_connect(struct sealed_tx *tx, struct sealed_db *db, const char *path, struct err *err)
{
	int rc = sqlite3_open_v2(path, &tx->sql, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);

	tx->db = db;
	if (rc != SQLITE_OK)
		return sealed_tx_fail(tx, rc, err);
	sqlite3_extended_result_codes(tx->sql, 1);
	sqlite3_db_config(tx->sql, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_busy_handler(tx->sql, on_busy, tx);
	return sealed_tx_run(tx, settings, err);
}

void sealed_tx_close(struct sealed_tx *tx)
{
	for (size_t i = 0; i < STATEMENTS_MAX; i++)
		sqlite3_finalize(tx->kept[i].s);
	memset(tx->kept, 0, sizeof(tx->kept));
	sqlite3_close(tx->sql);
	tx->sql = NULL;
}

int sealed_tx_run(struct sealed_tx *tx, const char *sql, struct err *err)
{
	int rc = sqlite3_exec(tx->sql, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : sealed_tx_fail(tx, rc, err);
}

/* Takes the connection, which one thread at a time may use. */
static int take(struct sealed_tx *tx, struct limit limit, struct err *err)
{
	bool in_time = true;
	LOCK_SCOPE(&tx->lock);

	while (tx->taken && in_time)
		in_time = cond_wait_until(&tx->freed, &tx->lock, limit.deadline);
	if (tx->taken)
		return err_set(err, ETIMEDOUT, "%s is held by others", tx->db->path);
	tx->taken = true;
	return 0;
}

static void give_back(struct sealed_tx *tx)
{
	LOCK_SCOPE(&tx->lock);

	tx->taken = false;
	cond_signal(&tx->freed);
}

/* Whether the open file still has its name. If it was removed or replaced by a copy, anything
 * written to it is lost when it is closed. */
static int check_file(const struct sealed_db *db, struct err *err)
{
	struct stat st;

	if (stat(db->path, &st) == 0 && st.st_dev == db->device && st.st_ino == db->inode)
		return 0;
	return err_set(err, EIO,
		       "%s was removed or replaced while it was in use: unmount, and mount again",
		       db->path);
}

int sealed_tx_begin(struct sealed_db *db, bool write, struct limit limit, struct sealed_tx **out,
		    struct err *err)
{
	struct sealed_tx *tx = write || db->alone ? &db->writes : &db->reads;
	int r = take(tx, limit, err);

	if (r < 0)
		return r;
	tx->limit = limit;
	tx->moved = false;
	tx->delta = (struct sealed_sum){0};
	r = write && !db->alone ? check_file(db, err) : 0;
	if (r == 0)
		r = sealed_tx_run(tx, write ? "BEGIN IMMEDIATE" : "BEGIN", err);
	if (r < 0) {
		give_back(tx);
		return r;
	}
	tx->begun = true;
	*out = tx;
	return 0;
}

int sealed_tx_commit(struct sealed_tx *tx, struct err *err)
{
	int r = sealed_state_keep(tx, err);

	if (r == 0)
		r = sealed_tx_run(tx, "COMMIT", err);

	tx->begun = r < 0;
	return r;
}

void sealed_tx_end(struct sealed_tx *tx)
{
	if (!tx)
		return;
	for (size_t i = 0; i < STATEMENTS_MAX; i++)
		sqlite3_reset(tx->kept[i].s);
	/* An error may have rolled it back already. */
	if (tx->begun && !sqlite3_get_autocommit(tx->sql))
		sqlite3_exec(tx->sql, "ROLLBACK", NULL, NULL, NULL);
	tx->begun = false;
	give_back(tx);
}

sqlite3_stmt *sealed_tx_prepare(struct sealed_tx *tx, const char *sql, struct err *err)
{
	size_t i = 0;
	int rc;

	while (i < STATEMENTS_MAX && tx->kept[i].text != sql && tx->kept[i].s)
		i++;
	if (i == STATEMENTS_MAX) {
		err_set(err, ENOMEM, "too many statements");
		return NULL;
	}
	if (!tx->kept[i].s) {
		rc = sqlite3_prepare_v3(tx->sql, sql, -1, SQLITE_PREPARE_PERSISTENT, &tx->kept[i].s,
					NULL);
		if (rc != SQLITE_OK) {
			sealed_tx_fail(tx, rc, err);
			return NULL;
		}
		tx->kept[i].text = sql;
	}
	sqlite3_reset(tx->kept[i].s);
	sqlite3_clear_bindings(tx->kept[i].s);
	return tx->kept[i].s;
}

int sealed_tx_step(struct sealed_tx *tx, sqlite3_stmt *s, struct err *err)
{
	int rc = sqlite3_step(s);

	if (rc == SQLITE_ROW)
		return 1;
	if (rc == SQLITE_DONE) {
		sqlite3_reset(s); /* releases its locks */
		return 0;
	}
	return sealed_tx_fail(tx, rc, err);
}

int sealed_db_seal(const struct sealed_db *db, const void *about, size_t about_len,
		   const char *bytes, size_t len, struct buf *out)
{
	size_t at = out->len;
	struct crypt_text t = {.key = db->secrets->seal,
			       .about = about,
			       .about_len = about_len,
			       .from = bytes,
			       .len = len};

	buf_resize(out, at + CRYPT_NONCE + len + CRYPT_TAG);
	if (buf_status(out) < 0)
		return -ENOMEM;
	if (crypt_random(out->data + at, CRYPT_NONCE) < 0)
		return -EIO;
	t.nonce = out->data + at;
	t.to = out->data + at + CRYPT_NONCE;
	t.tag = t.to + len;
	return crypt_text(true, &t);
}

int sealed_db_unseal(const struct sealed_db *db, const void *about, size_t about_len,
		     const void *sealed, size_t len, struct buf *out, struct err *err)
{
	const char *from = sealed;
	size_t at = out->len;
	struct crypt_text t = {.key = db->secrets->seal, .about = about, .about_len = about_len};
	int r;

	if (!from || len < CRYPT_NONCE + CRYPT_TAG)
		return sealed_db_damaged(db, "a row is too short", err);
	t.len = len - CRYPT_NONCE - CRYPT_TAG;
	buf_resize(out, at + t.len);
	if (buf_status(out) < 0)
		return err_set(err, ENOMEM, "no memory");
	t.nonce = from;
	t.from = from + CRYPT_NONCE;
	t.to = out->data + at;
	t.tag = (char *)t.from + t.len;
	r = crypt_text(false, &t);
	if (r == 0)
		return 0;
	explicit_bzero(out->data + at, t.len);
	out->len = at;
	return r == -EBADMSG ? sealed_db_damaged(db, "a row was changed", err)
			     : err_set(err, -r, "no memory");
}

int sealed_db_unseal_column(const struct sealed_db *db, const void *about, size_t about_len,
			    sqlite3_stmt *s, int column, struct buf *out, struct err *err)
{
	const void *sealed = sqlite3_column_blob(s, column);

	return sealed_db_unseal(db, about, about_len, sealed,
				(size_t)sqlite3_column_bytes(s, column), out, err);
}

int sealed_db_name(const struct sealed_db *db, const void *bytes, size_t len, unsigned char *out)
{
	return crypt_name(db->secrets->name, bytes, len, out, SEALED_NAME);
}

bool sealed_db_is_old(const struct sealed_db *db)
{
	return db->old;
}

const char *sealed_db_path(const struct sealed_db *db)
{
	return db->path;
}
