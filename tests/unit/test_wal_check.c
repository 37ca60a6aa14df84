// SPDX-License-Identifier: Apache-2.0
/* The check of the write-ahead log, on logs that SQLite has written: every change of what was committed
 * is found, unless SQLite reads the same in spite of it; and nothing that a crash leaves is refused. */

#include "unit_support.h"

#include "base/buf.h"
#include "store/wal_check.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <unistd.h>

TestSuite(wal_check, .init = support_init, .fini = support_fini, .timeout = 300);

#define TRANSACTIONS 12
#define PAGE	     4096
#define FRAME	     (24 + PAGE)

static void run(sqlite3 *sql, const char *text)
{
	cr_assert_eq(sqlite3_exec(sql, text, NULL, NULL, NULL), SQLITE_OK, "%s: %s", text,
		     sqlite3_errmsg(sql));
}

static void load(const char *path, struct buf *to)
{
	_cleanup_close_ int fd = open(path, O_RDONLY);
	char bytes[PAGE];
	ssize_t n;

	cr_assert_geq(fd, 0);
	while ((n = read(fd, bytes, sizeof(bytes))) > 0)
		buf_add(to, bytes, (size_t)n);
	cr_assert_eq(buf_status(to), 0);
}

static sqlite3 *open_sql(const char *path)
{
	sqlite3 *sql = NULL;

	cr_assert_eq(sqlite3_open(path, &sql), SQLITE_OK);
	run(sql, "PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=10");
	return sql;
}

static void add_some(sqlite3 *sql, int count)
{
	for (int i = 0; i < count; i++)
		run(sql, i % 3 ? "INSERT INTO item VALUES(hex(randomblob(6000)))"
			       : "INSERT INTO item VALUES('one page')");
}

/* The files of a database with transactions in its log, as one that is killed leaves them. */
struct files {
	struct buf db, log;
};

static void made(struct files *f)
{
	_cleanup_free_ char *path = support_path("made"), *log = support_path("made-wal");
	sqlite3 *sql = open_sql(path);

	run(sql, "CREATE TABLE item(text)");
	add_some(sql, TRANSACTIONS - 1);
	load(path, &f->db);
	load(log, &f->log);
	sqlite3_close(sql);
}

static void files_fini(struct files *f)
{
	buf_fini(&f->db);
	buf_fini(&f->log);
}
#define _cleanup_files_ _cleanup_(files_fini)

static bool refused(const char *bytes, size_t len)
{
	_cleanup_free_ char *path = support_file("log", bytes, len);
	_cleanup_close_ int fd = open(path, O_RDONLY);
	bool damaged = true;

	cr_assert_eq(wal_check(fd, PAGE, &damaged), 0);
	return damaged;
}

static int rows(const char *name)
{
	_cleanup_free_ char *path = support_path(name);
	sqlite3_stmt *s = NULL;
	sqlite3 *sql = NULL;
	int n = 0;

	cr_assert_eq(sqlite3_open(path, &sql), SQLITE_OK);
	if (sqlite3_prepare_v2(sql, "SELECT count(*) FROM item", -1, &s, NULL) == SQLITE_OK &&
	    sqlite3_step(s) == SQLITE_ROW)
		n = sqlite3_column_int(s, 0);
	sqlite3_finalize(s);
	sqlite3_close(sql);
	return n;
}

/* How many rows SQLite finds. */
static int rows_with(const struct files *f, const char *log, size_t len)
{
	_cleanup_free_ char *db = support_file("copy", f->db.data, f->db.len);
	_cleanup_free_ char *wal = support_file("copy-wal", log, len);
	_cleanup_free_ char *shm = support_path("copy-shm");

	unlink(shm);
	return rows("copy");
}

static size_t last_commit_but(const struct buf *log, int n)
{
	size_t at = log->len;

	while (at > 32) {
		at -= FRAME;
		if (memcmp(log->data + at + 4, "\0\0\0\0", 4) != 0 && n-- == 0)
			return at;
	}
	return 0;
}

Test(wal_check, a_bit_changed_in_what_was_committed_before_the_last_transaction_is_found)
{
	_cleanup_files_ struct files f = {0};
	size_t last, step = 61;
	int found = 0;

	made(&f);
	last = last_commit_but(&f.log, 1) + FRAME;
	cr_assert(last > 20 * FRAME && !refused(f.log.data, f.log.len));
	for (size_t at = 0; at < last; at += at < 200 ? 1 : step) {
		f.log.data[at] ^= 0x10;
		if (refused(f.log.data, f.log.len))
			found++;
		else
			cr_assert_eq(rows_with(&f, f.log.data, f.log.len), TRANSACTIONS - 1,
				     "at %zu", at);
		f.log.data[at] ^= 0x10;
	}
	cr_assert_gt(found, 1000);
}

Test(wal_check, a_last_transaction_of_which_any_part_is_missing_is_none)
{
	_cleanup_files_ struct files f = {0};
	size_t last;

	made(&f);
	last = last_commit_but(&f.log, 1) + FRAME;
	for (size_t at = last; at < f.log.len; at += 29) {
		f.log.data[at] ^= 0x10;
		cr_assert(!refused(f.log.data, f.log.len), "at %zu", at);
		f.log.data[at] ^= 0x10;
	}
	for (size_t sector = last / 512 + 1; (sector + 1) * 512 <= f.log.len; sector++) {
		char kept[512];

		memcpy(kept, f.log.data + sector * 512, 512);
		memset(f.log.data + sector * 512, 0, 512);
		cr_assert(!refused(f.log.data, f.log.len));
		memcpy(f.log.data + sector * 512, kept, 512);
	}
}

Test(wal_check, a_log_that_is_cut_off_is_one_that_was_not_written_on)
{
	_cleanup_files_ struct files f = {0};

	made(&f);
	for (size_t len = 0; len < f.log.len; len += len < 200 ? 1 : 97)
		cr_assert(!refused(f.log.data, len), "%zu", len);
	cr_assert_eq(rows_with(&f, f.log.data, last_commit_but(&f.log, 0) + FRAME - 1),
		     TRANSACTIONS - 2);
}

Test(wal_check, what_is_left_of_before_a_restart_and_of_what_was_rolled_back_is_no_damage)
{
	_cleanup_free_ char *path = support_path("db"), *log = support_path("db-wal");
	sqlite3 *sql = open_sql(path);

	run(sql, "CREATE TABLE item(text)");
	for (int round = 0; round < 4; round++) {
		_cleanup_buf_ struct buf b = {0};

		add_some(sql, 9);
		/* More than the cache holds is written to the log before the commit. */
		run(sql, "BEGIN; WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
			 "WHERE i < 60) INSERT INTO item SELECT hex(randomblob(2000)) FROM n; "
			 "ROLLBACK");
		add_some(sql, 2);
		load(log, &b);
		cr_assert(!refused(b.data, b.len), "round %d", round);
		/* The next writer begins the log anew, over what is there. */
		run(sql, "PRAGMA wal_checkpoint");
		add_some(sql, 2);
		buf_fini(&b);
		b = (struct buf){0};
		load(log, &b);
		cr_assert(!refused(b.data, b.len), "round %d", round);
	}
	sqlite3_close(sql);
}

/* The log after a failed sync: a whole transaction with a commit frame, and another begun in its
 * place. */
Test(wal_check, a_commit_that_was_given_up_and_written_over_is_no_damage)
{
	_cleanup_files_ struct files f = {0};
	size_t from, to;

	made(&f);
	from = last_commit_but(&f.log, 1) + FRAME;
	to = last_commit_but(&f.log, 0);
	cr_assert_gt(to, from);
	memset(f.log.data + from, 0x5a, FRAME);
	cr_assert(!refused(f.log.data, f.log.len));
}

Test(wal_check, a_log_that_another_connection_has_in_use_is_not_looked_at)
{
	_cleanup_free_ char *path = support_path("db"), *log = support_path("db-wal");
	_cleanup_close_ int fd = -1;
	sqlite3 *sql = open_sql(path);
	bool damaged = true;

	run(sql, "CREATE TABLE item(text)");
	add_some(sql, 5);
	fd = open(log, O_RDWR);
	cr_assert_eq(pwrite(fd, "x", 1, 32 + 100), 1);
	cr_assert_eq(wal_check(fd, PAGE, &damaged), 0);
	cr_assert(damaged);
	cr_assert_eq(wal_check_beside(path, support_limit(), &damaged), 0);
	cr_assert(!damaged);
	/* And the locks that it has are left to it. */
	run(sql, "INSERT INTO item VALUES('more')");
	sqlite3_close(sql);
	cr_assert_eq(rows("db"), 6);
}

Test(wal_check, a_log_that_nobody_uses_is_looked_at_and_left_as_it_is)
{
	_cleanup_files_ struct files f = {0};
	_cleanup_free_ char *db = NULL, *log = NULL;
	_cleanup_buf_ struct buf after = {0};
	bool damaged = true;

	made(&f);
	db = support_file("copy", f.db.data, f.db.len);
	log = support_file("copy-wal", f.log.data, f.log.len);
	cr_assert_eq(wal_check_beside(db, support_limit(), &damaged), 0);
	cr_assert(!damaged);
	free(log);
	f.log.data[32 + 100] ^= 1;
	log = support_file("copy-wal", f.log.data, f.log.len);
	cr_assert_eq(wal_check_beside(db, support_limit(), &damaged), 0);
	cr_assert(damaged);
	load(log, &after);
	cr_assert(after.len == f.log.len && !memcmp(after.data, f.log.data, after.len));
}
