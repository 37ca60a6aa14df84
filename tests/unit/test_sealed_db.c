// SPDX-License-Identifier: Apache-2.0
/* Sealed databases: what is committed is there, for the key and for what it is about, and for nobody
 * else; a file that was changed anywhere is refused or reads as it was. */

#include "unit_support.h"

#include "store/sealed_db.h"

#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(sealed_db, .init = support_init, .fini = support_fini, .timeout = 300);

#define KEY    "0123456789abcdef0123456789abcdef"
#define CANARY "canary-5e4a"

static struct store_key key_of(const char *text)
{
	return (struct store_key){.kind = STORE_KEY_FILE,
				  .material = secret_new(text, strlen(text))};
}

static int open_db(const char *path, const struct store_key *key, bool create, bool alone,
		   struct sealed_db **db, struct err *err)
{
	struct sealed_db_config c = {.path = path,
				     .kind = "tests",
				     .schema =
					     "CREATE TABLE item(name BLOB PRIMARY KEY, text BLOB)",
				     .advice = "make it anew",
				     .key = key,
				     .create = create,
				     .alone = alone,
				     .limit = support_limit()};

	return sealed_db_open(&c, db, err);
}

static struct sealed_db *opened(const char *path, const char *key_text, bool create)
{
	_cleanup_store_key_ struct store_key key = key_of(key_text);
	struct sealed_db *db = NULL;
	struct err err = {0};

	cr_assert_eq(open_db(path, &key, create, false, &db, &err), 0, "%s", err_text(&err));
	return db;
}

static int failed(const char *path, const char *key_text, struct err *err)
{
	_cleanup_store_key_ struct store_key key = key_of(key_text);
	struct sealed_db *db = NULL;
	int r = open_db(path, &key, false, false, &db, err);

	sealed_db_close(db);
	return r;
}

static int put_in(struct sealed_tx *tx, const struct sealed_db *db, const char *name,
		  const char *text, struct err *err)
{
	_cleanup_buf_ struct buf sealed = {0};
	unsigned char hash[SEALED_NAME];
	sqlite3_stmt *s = sealed_tx_prepare(tx, "INSERT OR REPLACE INTO item VALUES(?1, ?2)", err);

	cr_assert_eq(sealed_db_name(db, name, strlen(name), hash), 0);
	cr_assert_eq(sealed_db_seal(db, name, strlen(name), text, strlen(text), &sealed), 0);
	sqlite3_bind_blob(s, 1, hash, sizeof(hash), SQLITE_TRANSIENT);
	sqlite3_bind_blob(s, 2, sealed.data, (int)sealed.len, SQLITE_TRANSIENT);
	return sealed_tx_step(tx, s, err);
}

static void put(struct sealed_db *db, const char *name, const char *text)
{
	_cleanup_tx_ struct sealed_tx *tx = NULL;
	struct err err = {0};

	cr_assert_eq(sealed_tx_begin(db, true, support_limit(), &tx, &err), 0);
	cr_assert_eq(put_in(tx, db, name, text, &err), 0, "%s", err_text(&err));
	cr_assert_eq(sealed_tx_commit(tx, &err), 0);
}

/* Seals about `about`, which is usually the name. */
static int get(struct sealed_db *db, const char *name, const char *about, struct buf *out)
{
	_cleanup_tx_ struct sealed_tx *tx = NULL;
	unsigned char hash[SEALED_NAME];
	struct err err = {0};
	sqlite3_stmt *s;
	int r = sealed_tx_begin(db, false, support_limit(), &tx, &err);

	if (r < 0)
		return r;
	s = sealed_tx_prepare(tx, "SELECT text FROM item WHERE name = ?1", &err);
	sealed_db_name(db, name, strlen(name), hash);
	sqlite3_bind_blob(s, 1, hash, sizeof(hash), SQLITE_TRANSIENT);
	r = sealed_tx_step(tx, s, &err);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	return sealed_db_unseal_column(db, about, strlen(about), s, 0, out, &err);
}

static void assert_holds(struct sealed_db *db, const char *name, const char *text)
{
	_cleanup_buf_ struct buf b = {0};

	cr_assert_eq(get(db, name, name, &b), 0);
	cr_assert_str_eq(b.data, text);
}

static char *bytes_of(const char *path, size_t *len)
{
	char *bytes = malloc(1 << 20);
	FILE *f = fopen(path, "r");

	cr_assert(bytes && f);
	*len = fread(bytes, 1, 1 << 20, f);
	fclose(f);
	return bytes;
}

Test(sealed_db, what_is_committed_is_there_the_next_time)
{
	_cleanup_free_ char *path = support_path("db");
	struct sealed_db *db = opened(path, KEY, true);
	_cleanup_buf_ struct buf none = {0};
	struct sealed_tx *tx = NULL;
	struct err err = {0};
	struct stat st;

	put(db, "name", CANARY);
	cr_assert_eq(sealed_tx_begin(db, true, support_limit(), &tx, &err), 0);
	cr_assert_eq(put_in(tx, db, "other", "lost", &err), 0);
	sealed_tx_end(tx);
	sealed_db_close(db);
	db = opened(path, KEY, false);
	assert_holds(db, "name", CANARY);
	cr_assert_eq(get(db, "other", "other", &none), -ENOENT);
	sealed_db_close(db);
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0600);
}

Test(sealed_db, neither_names_nor_texts_can_be_read_in_its_files)
{
	_cleanup_free_ char *path = support_path("db"), *log = support_path("db-wal");
	struct sealed_db *db = opened(path, KEY, true);
	size_t len;

	put(db, CANARY "-name", CANARY);
	for (int i = 0; i < 2; i++) {
		_cleanup_free_ char *bytes = bytes_of(i ? path : log, &len);

		cr_assert(len > 100);
		cr_assert_null(memmem(bytes, len, CANARY, strlen(CANARY)));
		if (!i)
			sealed_db_close(db);
	}
}

Test(sealed_db, a_text_is_about_one_thing)
{
	_cleanup_free_ char *path = support_path("db");
	struct sealed_db *db = opened(path, KEY, true);
	_cleanup_buf_ struct buf b = {0};

	put(db, "name", "text");
	cr_assert_eq(get(db, "name", "namE", &b), -EIO);
	cr_assert_eq(b.len, 0);
	sealed_db_close(db);
}

Test(sealed_db, another_key_or_kind_of_file_is_told_apart)
{
	_cleanup_free_ char *path = support_path("db"), *text = support_file("text", KEY KEY, 64),
			    *empty = support_file("empty", "", 0), *none = support_path("none");
	struct err err = {0};

	sealed_db_close(opened(path, KEY, true));
	cr_assert_eq(failed(path, KEY "x", &err), -EKEYREJECTED);
	cr_assert_eq(failed(none, KEY, &err), -ENOENT);
	cr_assert_eq(failed(text, KEY, &err), -EIO);
	cr_assert_eq(failed(empty, KEY, &err), -EIO);
	cr_assert_not_null(strstr(err_text(&err), "make it anew"));
	cr_assert_eq(failed(support_dir(), KEY, &err), -EMEDIUMTYPE);
}

/* A bit in each of many places: what opens then reads as it was, or not at all. */
Test(sealed_db, a_changed_file_is_refused_or_reads_as_it_was)
{
	_cleanup_free_ char *path = support_path("db"), *bytes = NULL;
	struct sealed_db *db = opened(path, KEY, true);
	int refused = 0, unread = 0;
	size_t len;

	put(db, "name", CANARY);
	sealed_db_close(db);
	bytes = bytes_of(path, &len);
	for (size_t i = 0; i < len; i += 1 + len / 997) {
		_cleanup_free_ char *changed = support_path("changed");
		_cleanup_buf_ struct buf b = {0};
		struct err err = {0};
		int r;

		bytes[i] ^= 4;
		free(support_file("changed", bytes, len));
		bytes[i] ^= 4;
		db = NULL;
		{
			_cleanup_store_key_ struct store_key key = key_of(KEY);

			r = open_db(changed, &key, false, false, &db, &err);
		}
		if (r < 0) {
			refused++;
		} else if (get(db, "name", "name", &b) < 0) {
			unread++;
		} else {
			cr_assert_str_eq(b.data, CANARY, "byte %zu", i);
		}
		sealed_db_close(db);
	}
	cr_assert(refused > 5, "%d", refused);
	cr_log_info("%d refused, %d not read", refused, unread);
	for (size_t n = 0; n < len; n += 512) {
		struct err err = {0};

		free(support_file("changed", bytes, n));
		{
			_cleanup_free_ char *changed = support_path("changed");

			cr_assert(failed(changed, KEY, &err) < 0, "%zu bytes", n);
		}
	}
}

static void touch(const char *name)
{
	free(support_file(name, "", 0));
}

static void await(const char *name)
{
	_cleanup_free_ char *path = support_path(name);

	while (access(path, F_OK) < 0)
		support_sleep(NS_PER_MS);
}

/* SQLite locks for a process as a whole, and a child must not inherit what it has open: it is forked
 * before. Nor does it inherit the arena of secret memory, so that these tests have none. */
TestSuite(sealed_db_shared, .init = json_init, .fini = support_fini, .timeout = 300);

static void assert_exits(pid_t child, int expected)
{
	int status = -1;

	waitpid(child, &status, 0);
	cr_assert(WIFEXITED(status));
	cr_assert_eq(WEXITSTATUS(status), expected);
}

Test(sealed_db_shared, who_wants_it_alone_waits_for_nobody)
{
	_cleanup_free_ char *path = support_path("db");
	_cleanup_store_key_ struct store_key key = key_of(KEY);
	struct sealed_db *db = NULL, *alone = NULL;
	struct err err = {0};
	pid_t child = fork();

	if (child == 0) {
		await("open");
		_exit(open_db(path, &key, false, true, &alone, &err) == -EBUSY ? 7 : 8);
	}
	db = opened(path, KEY, true);
	touch("open");
	assert_exits(child, 7);
	sealed_db_close(db);
	cr_assert_eq(open_db(path, &key, false, true, &alone, &err), 0, "%s", err_text(&err));
	put(alone, "name", "text");
	assert_holds(alone, "name", "text");
	sealed_db_close(alone);
}

/* The row as it is in the file. */
static void raw_row(struct sealed_db *db, struct buf *out)
{
	_cleanup_tx_ struct sealed_tx *tx = NULL;
	struct err err = {0};
	sqlite3_stmt *s;

	cr_assert_eq(sealed_tx_begin(db, false, support_limit(), &tx, &err), 0);
	s = sealed_tx_prepare(tx, "SELECT text FROM item", &err);
	cr_assert_eq(sealed_tx_step(tx, s, &err), 1);
	buf_add(out, sqlite3_column_blob(s, 0), (size_t)sqlite3_column_bytes(s, 0));
}

static int reseal_all(struct sealed_tx *tx, const struct sealed_db *from,
		      const struct sealed_db *to, struct err *err)
{
	sqlite3_stmt *s = sealed_tx_prepare(tx, "DELETE FROM item", err);
	int r = sealed_tx_step(tx, s, err);

	return r < 0 ? r : put_in(tx, to, "name", "sealed anew", err);
}

Test(sealed_db, after_a_new_key_the_old_one_opens_nothing)
{
	_cleanup_free_ char *path = support_path("db"), *bytes = NULL;
	_cleanup_store_key_ struct store_key key = key_of(KEY), other = key_of(KEY KEY);
	struct sealed_db *db = opened(path, KEY, true);
	_cleanup_buf_ struct buf row = {0};
	struct err err = {0};
	size_t len;

	put(db, "name", "sealed once, and long enough to be found");
	raw_row(db, &row);
	sealed_db_close(db);
	bytes = bytes_of(path, &len);
	cr_assert_not_null(memmem(bytes, len, row.data, row.len));
	free(steal(bytes));
	cr_assert_eq(open_db(path, &key, false, true, &db, &err), 0);
	cr_assert_eq(sealed_db_rekey(db, &other, reseal_all, &err), 0, "%s", err_text(&err));
	sealed_db_close(db);
	cr_assert_eq(failed(path, KEY, &err), -EKEYREJECTED);
	db = opened(path, KEY KEY, false);
	assert_holds(db, "name", "sealed anew");
	sealed_db_close(db);
	bytes = bytes_of(path, &len);
	for (size_t at = 0; at + 12 < row.len; at++)
		cr_assert_null(memmem(bytes, len, row.data + at, 12));
}

static void *write_many(void *arg)
{
	struct sealed_db *db = arg;
	char name[40];

	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "%lx.%d", (unsigned long)pthread_self(), i);
		put(db, name, name);
		assert_holds(db, name, name);
	}
	return NULL;
}

Test(sealed_db_shared, threads_and_processes_may_use_one_file)
{
	_cleanup_free_ char *path = support_path("db");
	struct sealed_db *db;
	pthread_t threads[4];
	pid_t child;

	sealed_db_close(opened(path, KEY, true));
	child = fork();
	db = opened(path, KEY, false);
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, write_many, db);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	sealed_db_close(db);
	if (child == 0)
		_exit(0);
	assert_exits(child, 0);
}

Test(sealed_db_shared, a_wait_for_others_ends_at_the_limit)
{
	_cleanup_free_ char *path = support_path("db");
	struct sealed_db *db = opened(path, KEY, true);
	pid_t child;
	struct limit soon = {.deadline = clock_mono() + 50 * NS_PER_MS};
	struct sealed_tx *tx = NULL, *other = NULL;
	struct err err = {0};

	cr_assert_eq(sealed_tx_begin(db, true, support_limit(), &tx, &err), 0);
	cr_assert_eq(sealed_tx_begin(db, true, soon, &other, &err), -ETIMEDOUT);
	sealed_tx_end(tx);
	sealed_db_close(db);
	child = fork();
	if (child == 0) {
		await("open");
		db = opened(path, KEY, false);
		if (sealed_tx_begin(db, true, support_limit(), &tx, &err) == 0)
			touch("held");
		await("enough");
		_exit(0);
	}
	db = opened(path, KEY, false);
	touch("open");
	await("held");
	soon.deadline = clock_mono() + 50 * NS_PER_MS;
	cr_assert_eq(sealed_tx_begin(db, true, soon, &other, &err), -ETIMEDOUT);
	cr_assert_eq(sealed_tx_begin(db, false, support_limit(), &other, &err), 0);
	sealed_tx_end(other);
	touch("enough");
	assert_exits(child, 0);
	sealed_db_close(db);
}
