// SPDX-License-Identifier: Apache-2.0
/* The copy's file. A row's name is a keyed hash of its owner and its key, so it never answers
 * anybody else; its bytes are sealed together with that name. Only the order in which rows were
 * written is visible. */

#include "offline/copy.h"

#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ROW_OVERHEAD 128 /* of a row in the file, about */

/* In "seq": 0 for texts; the order of writing for values; the order plus this, so later, for ways
 * to them. */
#define WAYS (INT64_C(1) << 48)

static const char schema[] =
	"CREATE TABLE item(name BLOB PRIMARY KEY, who BLOB NOT NULL, seq INTEGER NOT NULL,"
	" bytes INTEGER NOT NULL, sealed BLOB NOT NULL);"
	"CREATE INDEX item_seq ON item(seq);"
	"CREATE INDEX item_who ON item(who)";

static int no_memory(struct err *err)
{
	return err_set(err, ENOMEM, "no memory for the copy");
}

static int open_file(struct copy *c, const struct store_key *key, struct limit limit,
		     struct err *err)
{
	struct sealed_db_config config = {.path = c->path,
					  .kind = "offline",
					  .schema = schema,
					  .advice = "it is made anew",
					  .key = key,
					  .create = true,
					  .limit = limit};

	return sealed_db_open(&config, &c->db, err);
}

/* Moves the file out of the way, and removes SQLite's files beside it. */
static int put_aside(const char *path, bool keep)
{
	static const char *const beside[] = {"-wal", "-shm"};
	_cleanup_free_ char *aside = NULL;

	if (asprintf(&aside, "%s.damaged", path) < 0)
		return -ENOMEM;
	if ((keep ? rename(path, aside) : unlink(path)) < 0)
		return -errno;
	for (size_t i = 0; i < ARRAY_SIZE(beside); i++) {
		_cleanup_free_ char *other = NULL;

		if (asprintf(&other, "%s%s", path, beside[i]) < 0)
			return -ENOMEM;
		unlink(other);
	}
	return 0;
}

/* The copy holds nothing that the server does not have, so a damaged one must not stop us. */
int copy_open(struct copy *c, const struct store_key *key, struct limit limit, struct err *err)
{
	int r = open_file(c, key, limit, err);
	/* Without its salt it can never be opened again. */
	bool lost = r == -ENOENT && key->kind == STORE_KEY_MACHINE && access(c->path, F_OK) == 0;

	if (r != -EIO && r != -EKEYREJECTED && !lost)
		return r;
	log_warning("the copy for offline use is of no use, and is made anew",
		    F_STR("file", c->path), F_ERR(err));
	r = put_aside(c->path, r == -EIO);
	if (r < 0)
		return err_set(err, -r, "cannot put %s out of the way: %s", c->path, strerror(-r));
	return open_file(c, key, limit, err);
}

void copy_close(struct copy *c)
{
	sealed_db_close(steal(c->db));
}

static int name_of(const struct copy *c, const struct copy_key *key,
		   unsigned char name[SEALED_NAME], struct err *err)
{
	_cleanup_buf_ struct buf b = {0};

	buf_add(&b, key->who, strlen(key->who) + 1);
	buf_add(&b, key->bytes, key->len);
	if (buf_status(&b) < 0 || sealed_db_name(c->db, b.data, b.len, name) < 0)
		return no_memory(err);
	return 0;
}

static int sum(struct sealed_tx *tx, const char *sql, int64_t *out, struct err *err)
{
	sqlite3_stmt *s = sealed_tx_prepare(tx, sql, err);
	int r = s ? sealed_tx_step(tx, s, err) : -err->code;

	if (r < 0)
		return r;
	*out = r == 1 ? sqlite3_column_int64(s, 0) : 0;
	sqlite3_reset(s);
	return 0;
}

int copy_begin(struct copy *c, struct limit limit, struct sealed_tx **tx, struct err *err)
{
	int r = sealed_tx_begin(c->db, true, limit, tx, err);

	/* Another process may have written since. */
	return r == 0 ? sum(*tx, "SELECT ifnull(max(seq & 0xffffffffffff), 0) FROM item", &c->seq,
			    err)
		      : r;
}

static int shrink(const struct copy *c, struct sealed_tx *tx, struct err *err)
{
	int64_t bytes = 0;
	int r = sum(tx, "SELECT ifnull(sum(bytes), 0) FROM item", &bytes, err);

	while (r == 0 && bytes > 0 && (uint64_t)bytes > c->max) {
		sqlite3_stmt *s = sealed_tx_prepare(
			tx,
			"DELETE FROM item WHERE seq IN "
			"(SELECT seq FROM item WHERE seq > 0 ORDER BY seq LIMIT 4)",
			err);

		r = s ? sealed_tx_step(tx, s, err) : -err->code;
		if (r == 0)
			r = sum(tx, "SELECT ifnull(sum(bytes), 0) FROM item", &bytes, err);
	}
	return r;
}

static int drop_old_texts(struct sealed_tx *tx, struct err *err)
{
	sqlite3_stmt *s = sealed_tx_prepare(
		tx,
		"DELETE FROM item WHERE seq = 0 AND rowid NOT IN "
		"(SELECT rowid FROM item WHERE seq = 0 ORDER BY rowid DESC LIMIT 64)",
		err);

	return s ? sealed_tx_step(tx, s, err) : -err->code;
}

int copy_end(struct copy *c, struct sealed_tx *tx, struct err *err)
{
	int r = shrink(c, tx, err);

	if (r == 0)
		r = drop_old_texts(tx, err);

	return r == 0 ? sealed_tx_commit(tx, err) : r;
}

int copy_put(struct copy *c, struct sealed_tx *tx, const struct copy_key *key,
	     const struct buf *text, enum copy_class class, struct err *err)
{
	_cleanup_buf_ struct buf sealed = {0};
	unsigned char name[SEALED_NAME], who[SEALED_NAME];
	sqlite3_stmt *s;
	int r = name_of(c, key, name, err);

	if (r < 0)
		return r;
	if (sealed_db_name(c->db, key->who, strlen(key->who), who) < 0 ||
	    sealed_db_seal(c->db, name, sizeof(name), text->data, text->len, &sealed) < 0)
		return no_memory(err);
	s = sealed_tx_prepare(tx, "INSERT OR REPLACE INTO item VALUES(?1, ?2, ?3, ?4, ?5)", err);
	if (!s)
		return -err->code;
	sqlite3_bind_blob(s, 1, name, sizeof(name), SQLITE_STATIC);
	sqlite3_bind_blob(s, 2, who, sizeof(who), SQLITE_STATIC);
	sqlite3_bind_int64(s, 3,
			   class == COPY_TEXT ? 0 : ++c->seq + (class == COPY_WAY ? WAYS : 0));
	sqlite3_bind_int64(s, 4, class == COPY_TEXT ? 0 : (int64_t)(sealed.len + ROW_OVERHEAD));
	sqlite3_bind_blob(s, 5, sealed.data, (int)sealed.len, SQLITE_STATIC);
	return sealed_tx_step(tx, s, err);
}

/* Deletes the rows that have this name in the statement's column. */
static int delete_rows(struct sealed_tx *tx, const char *sql, const unsigned char *name,
		       struct err *err)
{
	sqlite3_stmt *s = sealed_tx_prepare(tx, sql, err);

	if (!s)
		return -err->code;
	sqlite3_bind_blob(s, 1, name, SEALED_NAME, SQLITE_STATIC);
	return sealed_tx_step(tx, s, err);
}

int copy_remove(struct copy *c, struct sealed_tx *tx, const struct copy_key *key, struct err *err)
{
	unsigned char name[SEALED_NAME];
	int r = name_of(c, key, name, err);

	return r < 0 ? r : delete_rows(tx, "DELETE FROM item WHERE name = ?1", name, err);
}

int copy_forget(struct copy *c, struct sealed_tx *tx, const char *who, struct err *err)
{
	unsigned char name[SEALED_NAME];

	if (sealed_db_name(c->db, who, strlen(who), name) < 0)
		return no_memory(err);
	return delete_rows(tx, "DELETE FROM item WHERE who = ?1", name, err);
}

int copy_read(struct copy *c, const struct copy_key *key, struct limit limit, struct buf *out,
	      struct err *err)
{
	_cleanup_tx_ struct sealed_tx *tx = NULL;
	unsigned char name[SEALED_NAME];
	sqlite3_stmt *s;
	int r = name_of(c, key, name, err);

	if (r == 0)
		r = sealed_tx_begin(c->db, false, limit, &tx, err);
	if (r < 0)
		return r;
	s = sealed_tx_prepare(tx, "SELECT sealed FROM item WHERE name = ?1", err);
	if (!s)
		return -err->code;
	sqlite3_bind_blob(s, 1, name, sizeof(name), SQLITE_STATIC);
	r = sealed_tx_step(tx, s, err);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	return sealed_db_unseal_column(c->db, name, sizeof(name), s, 0, out, err);
}
