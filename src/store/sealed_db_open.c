// SPDX-License-Identifier: Apache-2.0
/* Making, opening and rekeying a sealed database.
 *
 * A new file is completed under another name, and then linked to its own. So no half-made file
 * exists, and an empty one is damaged. The table "header" states in the clear the kind of file and
 * how its keys are made. It also holds the format and schema, sealed: they prove the keys, and that
 * this program is the one for the file. A store of the format before rows were bound gets new keys
 * with its new format, so that nothing sealed earlier passes afterwards. */

#include "store/sealed_db.h"

#include "base/clock.h"
#include "base/secmem.h"
#include "base/trust.h"
#include "store/sealed_db_parts.h"
#include "store/wal_check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define APPLICATION "0x76667331" /* "vfs1", for file(1) */
#define LOG_N_MAX   20
#define BLOCKS_MAX  32
#define VALUE_MAX   64
#define BOUND	    "format 2\n" /* before the schema, in the proof: rows are bound */

static int no_memory(struct err *err)
{
	return err_set(err, ENOMEM, "no memory");
}

static void tx_init(struct sealed_tx *tx, struct sealed_db *db)
{

	tx->db = db;
	lock_init(&tx->lock, LOCK_SEALED_DB);
	cond_init(&tx->freed);
}

static void tx_fini(struct sealed_tx *tx)
{
	sealed_tx_close(tx);
	cond_fini(&tx->freed);
	lock_fini(&tx->lock);
}

static struct sealed_db *db_new(const struct sealed_db_config *c)
{
	struct sealed_db *db = calloc(1, sizeof(*db));

	if (!db)
		return NULL;
	tx_init(&db->reads, db);
	tx_init(&db->writes, db);
	db->reads.limit = db->writes.limit = c->limit;
	db->alone = c->alone;
	db->bound = c->bound;
	db->path = strdup(c->path);
	db->kind = strdup(c->kind);
	db->schema = strdup(c->schema);
	db->advice = strdup(c->advice);
	db->secrets = secmem_alloc(sizeof(*db->secrets));
	if (db->path && db->kind && db->schema && db->advice && db->secrets)
		return db;
	sealed_db_close(db);
	return NULL;
}

void sealed_db_close(struct sealed_db *db)
{
	if (!db)
		return;
	tx_fini(&db->reads);
	tx_fini(&db->writes);
	store_salts_fini(&db->salts);
	secmem_free(db->secrets);
	free(db->path);
	free(db->kind);
	free(db->schema);
	free(db->advice);
	free(db);
}

int sealed_header_put(struct sealed_tx *tx, const char *name, const void *value, size_t len,
		      struct err *err)
{
	sqlite3_stmt *s =
		sealed_tx_prepare(tx, "INSERT OR REPLACE INTO header VALUES(?1, ?2)", err);

	if (!s)
		return -err->code;
	sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
	sqlite3_bind_blob(s, 2, value, (int)len, SQLITE_STATIC);
	return sealed_tx_step(tx, s, err);
}

int sealed_header_write(struct sealed_tx *tx, const struct sealed_db *db,
			const struct store_kdf *kdf, struct err *err)
{
	_cleanup_buf_ struct buf proof = {0}, form = {0};
	char way[VALUE_MAX];
	int r;

	snprintf(way, sizeof(way), "scrypt:%u:%u", kdf->log_n, kdf->blocks);
	buf_printf(&form, "%s%s", db->bound ? BOUND : "", db->schema);
	if (buf_status(&form) < 0 ||
	    sealed_db_seal(db, db->kind, strlen(db->kind), form.data, form.len, &proof) < 0)
		return no_memory(err);
	r = sealed_header_put(tx, "kind", db->kind, strlen(db->kind), err);
	if (r == 0 && !kdf->log_n)
		r = sealed_header_put(tx, "kdf", "hkdf", 4, err);
	else if (r == 0)
		r = sealed_header_put(tx, "kdf", way, strlen(way), err);
	if (r == 0)
		r = sealed_header_put(tx, "salt", kdf->salt, sizeof(kdf->salt), err);
	return r < 0 ? r : sealed_header_put(tx, "proof", proof.data, proof.len, err);
}

int sealed_header_get(struct sealed_tx *tx, const char *name, size_t least, size_t most,
		      struct buf *out, struct err *err)
{
	sqlite3_stmt *s = sealed_tx_prepare(tx, "SELECT value FROM header WHERE name = ?1", err);
	int r;

	if (!s)
		return -err->code;
	sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
	r = sealed_tx_step(tx, s, err);
	if (r < 0)
		return r;
	if (r == 1)
		buf_add(out, sqlite3_column_blob(s, 0), (size_t)sqlite3_column_bytes(s, 0));
	sqlite3_reset(s);
	if (buf_status(out) < 0)
		return no_memory(err);
	if (out->len < least || out->len > most)
		return sealed_db_damaged(tx->db, "its header is not whole", err);
	return 0;
}

static int read_kdf(struct sealed_tx *tx, struct store_kdf *kdf, struct err *err)
{
	_cleanup_buf_ struct buf way = {0}, salt = {0};
	int r = sealed_header_get(tx, "kdf", 4, VALUE_MAX, &way, err), n = 0;

	if (r == 0)
		r = sealed_header_get(tx, "salt", CRYPT_SALT, CRYPT_SALT, &salt, err);
	if (r < 0)
		return r;
	*kdf = (struct store_kdf){0};
	memcpy(kdf->salt, salt.data, CRYPT_SALT);
	if (!strcmp(way.data, "hkdf"))
		return 0;
	if (sscanf(way.data, "scrypt:%u:%u%n", &kdf->log_n, &kdf->blocks, &n) == 2 &&
	    !way.data[n] && kdf->log_n >= 10 && kdf->log_n <= LOG_N_MAX && kdf->blocks &&
	    kdf->blocks <= BLOCKS_MAX)
		return 0;
	return sealed_db_damaged(tx->db, "its header makes no sense", err);
}

/* Whether the keys in db->secrets open the file. */
static int prove(struct sealed_tx *tx, const struct buf *proof)
{
	struct sealed_db *db = tx->db;
	_cleanup_buf_ struct buf schema = {0};
	struct err ignored = {0};
	const char *form;
	bool bound;

	if (sealed_db_unseal(db, db->kind, strlen(db->kind), proof->data, proof->len, &schema,
			     &ignored) < 0)
		return ignored.code == EIO ? -EKEYREJECTED : -ignored.code;
	form = schema.data ? schema.data : "";
	bound = !strncmp(form, BOUND, strlen(BOUND));
	if (strcmp(form + (bound ? strlen(BOUND) : 0), db->schema) != 0 || (bound && !db->bound))
		return -EMEDIUMTYPE;
	db->old = db->bound && !bound;
	return 0;
}

static int prove_any(struct sealed_tx *tx, const struct store_key *key, const struct store_kdf *kdf,
		     const struct buf *proof, struct err *err)
{
	struct sealed_db *db = tx->db;
	int r;

	if (key->kind != STORE_KEY_MACHINE) {
		r = store_secrets_derive(key, NULL, kdf, db->secrets);
		return r < 0 ? r : prove(tx, proof);
	}
	r = store_salts_read(db->path, false, &db->salts, err);
	if (r < 0)
		return r;
	r = -EKEYREJECTED;
	for (size_t i = 0; i < db->salts.count && r == -EKEYREJECTED; i++) {
		db->salt = i;
		r = store_secrets_derive(key, db->salts.salts[i], kdf, db->secrets);
		if (r == 0)
			r = prove(tx, proof);
	}
	return r;
}

static int unlock(struct sealed_tx *tx, const struct store_key *key, struct err *err)
{
	_cleanup_buf_ struct buf proof = {0};
	struct sealed_db *db = tx->db;
	struct store_kdf kdf;
	int r = read_kdf(tx, &kdf, err);

	if (r == 0)
		r = sealed_header_get(tx, "proof", CRYPT_NONCE + CRYPT_TAG, 64u << 10, &proof, err);
	if (r < 0)
		return r;
	if ((kdf.log_n != 0) != (key->kind == STORE_KEY_PASSPHRASE))
		return err_set(err, EKEYREJECTED, "%s is %ssealed with a passphrase", db->path,
			       kdf.log_n ? "" : "not ");
	r = prove_any(tx, key, &kdf, &proof, err);
	if (r == -EKEYREJECTED)
		return err_set(err, EKEYREJECTED,
			       "the key does not open %s: it was sealed with another, or the file "
			       "is damaged: %s",
			       db->path, db->advice);
	if (r == -EMEDIUMTYPE)
		return err_set(err, EMEDIUMTYPE, "%s was made by another version of vaultfs",
			       db->path);
	return r == -ENOMEM ? no_memory(err) : r;
}

/* The one text or number that a statement returns. */
static int ask(struct sealed_tx *tx, const char *sql, char *to, size_t room, struct err *err)
{
	sqlite3_stmt *s = sealed_tx_prepare(tx, sql, err);
	const unsigned char *text;
	int r = s ? sealed_tx_step(tx, s, err) : -err->code;

	if (r < 0)
		return r;
	text = r == 1 ? sqlite3_column_text(s, 0) : NULL;
	snprintf(to, room, "%s", text ? (const char *)text : "");
	sqlite3_reset(s);
	return 0;
}

/* Checks everything that shows without the key. */
static int check_form(struct sealed_tx *tx, struct err *err)
{
	_cleanup_buf_ struct buf kind = {0};
	struct sealed_db *db = tx->db;
	char answer[200];
	int r = ask(tx, "PRAGMA application_id", answer, sizeof(answer), err);

	if (r == 0 && strtoul(answer, NULL, 10) != strtoul(APPLICATION, NULL, 16))
		return err_set(err, EMEDIUMTYPE, "%s is a database of another program", db->path);
	if (r == 0)
		r = ask(tx, "PRAGMA integrity_check(1)", answer, sizeof(answer), err);
	if (r == 0 && strcmp(answer, "ok") != 0)
		return sealed_db_damaged(db, answer, err);
	if (r == 0)
		r = ask(tx,
			"SELECT count(*) FROM sqlite_schema WHERE type NOT IN ('table', 'index')",
			answer, sizeof(answer), err);
	if (r == 0 && strcmp(answer, "0") != 0)
		return sealed_db_damaged(db, "its tables were changed", err);
	if (r == 0)
		r = sealed_header_get(tx, "kind", 1, VALUE_MAX, &kind, err);
	if (r == 0 && strcmp(kind.data, db->kind) != 0)
		return err_set(err, EMEDIUMTYPE, "%s holds \"%s\", not \"%s\"", db->path, kind.data,
			       db->kind);
	return r;
}

/* Fills a new file at `path`; `db` has its keys. */
static int fill_new(struct sealed_db *db, const char *path, const struct store_kdf *kdf,
		    struct err *err)
{
	struct sealed_tx *tx = &db->writes;
	int r = sealed_tx_connect(tx, db, path, err);

	if (r == 0)
		r = sealed_tx_run(tx,
				  "PRAGMA application_id=" APPLICATION "; BEGIN IMMEDIATE;"
				  "CREATE TABLE header(name TEXT PRIMARY KEY, value BLOB NOT NULL) "
				  "WITHOUT ROWID",
				  err);
	if (r == 0)
		r = sealed_tx_run(tx, db->schema, err);
	if (r == 0)
		r = sealed_header_write(tx, db, kdf, err);
	if (r == 0)
		r = sealed_state_put(tx, db, &(struct sealed_sum){0}, err);
	if (r == 0)
		r = sealed_tx_run(tx, "COMMIT", err);
	sealed_tx_close(tx);
	return r;
}

static int make_keys(struct sealed_db *db, const struct store_key *key, struct store_kdf *kdf,
		     struct err *err)
{
	_cleanup_salts_ struct store_salts salts = {0};
	struct secret *salt = NULL;
	int r = 0;

	if (key->kind == STORE_KEY_MACHINE) {
		r = store_salts_read(db->path, true, &salts, err);
		if (r < 0)
			return r;
		salt = salts.count ? salts.salts[salts.count - 1] : NULL;
	}
	r = store_kdf_new(key, kdf);
	if (r == 0)
		r = store_secrets_derive(key, salt, kdf, db->secrets);
	return r < 0 ? err_set(err, -r, "no key could be made") : 0;
}

/* If somebody else creates it at the same time, one of the two files is linked, and both use it. */
static int create(struct sealed_db *db, const struct store_key *key, struct err *err)
{
	_cleanup_free_ char *fresh = NULL;
	_cleanup_close_ int fd = -1;
	struct store_kdf kdf;
	int r;

	if (asprintf(&fresh, "%s.XXXXXX", db->path) < 0)
		return no_memory(err);
	fd = mkostemp(fresh, O_CLOEXEC); /* with mode 0600 */
	if (fd < 0)
		return err_set(err, errno, "cannot make %s: %s", db->path, strerror(errno));
	r = make_keys(db, key, &kdf, err);
	if (r == 0)
		r = fill_new(db, fresh, &kdf, err);
	if (r == 0 && link(fresh, db->path) < 0 && errno != EEXIST)
		r = err_set(err, errno, "cannot make %s: %s", db->path, strerror(errno));
	unlink(fresh);
	if (r < 0)
		return r;
	r = store_sync_folder(db->path);
	return r < 0 ? err_set(err, -r, "cannot make %s: %s", db->path, strerror(-r)) : 0;
}

/* SQLite takes the contents of the files beside it as part of the database. */
static int check_trust(const struct sealed_db *db, struct err *err)
{
	static const char *const beside[] = {"-wal", "-shm", "-journal"};
	int r = trust_look(db->path, err);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(beside); i++)
		r = trust_look_beside(db->path, beside[i], err);
	return r < 0 ? err_prefix(err, "cannot trust this file"), r : 0;
}

static int look(struct sealed_db *db, const struct sealed_db_config *c, struct err *err)
{
	struct stat st;
	int r = c->guarded ? trust_folder_of(db->path, err) : 0;

	if (r == -EPERM)
		return err_prefix(err, "cannot trust %s", db->path), r;
	if (stat(db->path, &st) < 0 && errno == ENOENT && c->create) {
		r = create(db, c->key, err);
		if (r < 0)
			return r;
	}
	if (stat(db->path, &st) < 0)
		return err_set(err, errno, "cannot open %s: %s", db->path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(err, EMEDIUMTYPE, "%s is no file", db->path);
	if (access(db->path, R_OK | W_OK) < 0)
		return err_set(err, errno, "cannot open %s: %s", db->path, strerror(errno));
	r = check_trust(db, err);
	if (r < 0)
		return r;
	/* SQLite would take an empty file for a new one. */
	return st.st_size == 0 ? sealed_db_damaged(db, "it is empty", err) : 0;
}

static int in_use(const struct sealed_db *db, struct err *err)
{
	return db->alone ? err_set(err, EBUSY, "%s is in use: unmount it first", db->path)
			 : err_set(err, ETIMEDOUT, "%s is held by another process", db->path);
}

/* Without this check SQLite would silently drop everything after the damage. */
static int check_log(const struct sealed_db *db, struct err *err)
{
	bool damaged = false;
	int r = wal_check_beside(db->path, db->writes.limit, &damaged);

	if (r == -ETIMEDOUT)
		return in_use(db, err);
	if (r < 0)
		return err_set(err, -r, "cannot check the log of %s: %s", db->path, strerror(-r));
	return damaged ? sealed_db_damaged(db,
					   "its log, the file beside it that ends in -wal, was "
					   "changed, and must go with it",
					   err)
		       : 0;
}

/* If `alone`: SQLite can leave WAL mode only when no other connection has the file open. */
static int choose_journal(struct sealed_tx *tx, struct err *err)
{
	bool alone = tx->db->alone;
	char mode[16];
	int r = alone ? sealed_tx_run(tx, "PRAGMA locking_mode=EXCLUSIVE", err) : 0;

	if (r == 0)
		r = ask(tx, alone ? "PRAGMA journal_mode=DELETE" : "PRAGMA journal_mode=WAL", mode,
			sizeof(mode), err);
	if (r == 0 && strcmp(mode, alone ? "delete" : "wal") != 0)
		r = alone ? -ETIMEDOUT
			  : err_set(err, EOPNOTSUPP,
				    "%s cannot be shared there: it must be on a local file system",
				    tx->db->path);
	if (r == 0 && alone)
		r = sealed_tx_run(tx, "BEGIN EXCLUSIVE; COMMIT", err);
	return r == -ETIMEDOUT && alone ? in_use(tx->db, err) : r;
}

static int remember_file(struct sealed_db *db, struct err *err)
{
	struct stat st;

	if (stat(db->path, &st) < 0)
		return err_set(err, errno, "cannot look at %s: %s", db->path, strerror(errno));
	db->device = st.st_dev;
	db->inode = st.st_ino;
	return 0;
}

int sealed_db_open(const struct sealed_db_config *c, struct sealed_db **out, struct err *err)
{
	struct sealed_db *db = db_new(c);
	int r;

	if (!db)
		return no_memory(err);
	r = look(db, c, err);
	if (r == 0)
		r = check_log(db, err);
	if (r == 0)
		r = sealed_tx_connect(&db->writes, db, db->path, err);
	if (r == 0)
		r = choose_journal(&db->writes, err);
	if (r == 0) /* again: the log may have existed, owned by another, when it was opened */
		r = check_trust(db, err);
	if (r == 0)
		r = check_form(&db->writes, err);
	if (r == 0)
		r = unlock(&db->writes, c->key, err);
	if (r == 0 && !db->alone)
		r = sealed_tx_connect(&db->reads, db, db->path, err);
	if (r == 0)
		r = remember_file(db, err);
	if (r < 0) {
		sealed_db_close(db);
		return r;
	}
	*out = db;
	return 0;
}

/* The new salt stands beside the old one until the file is resealed. */
static int salt_anew(struct sealed_db *db, const struct store_key *key, struct err *err)
{
	struct store_salts *s = &db->salts;
	int r;

	if (key->kind != STORE_KEY_MACHINE)
		return 0;
	for (size_t i = 0; i < s->count; i++)
		if (i != db->salt)
			secret_put(s->salts[i]);
	if (s->count) {
		s->salts[0] = s->salts[db->salt];
		s->count = 1;
	}
	r = store_salts_add(db->path, s, err);
	db->salt = s->count - 1;
	return r;
}

static int forget_old_salt(struct sealed_db *db, const struct store_key *key, struct err *err)
{
	if (key->kind == STORE_KEY_MACHINE)
		return store_salts_keep(db->path, &db->salts, db->salt, err);
	return db->salts.count ? store_salts_remove(db->path, err) : 0;
}

static int fresh_keys(struct sealed_db *db, const struct store_key *key, struct store_kdf *kdf,
		      struct store_secrets *fresh, struct err *err)
{
	bool machine = key->kind == STORE_KEY_MACHINE;
	int r = salt_anew(db, key, err);

	if (r < 0)
		return r;
	r = store_kdf_new(key, kdf);
	if (r == 0)
		r = store_secrets_derive(key, machine ? db->salts.salts[db->salt] : NULL, kdf,
					 fresh);
	return r < 0 ? err_set(err, -r, "no key could be made") : 0;
}

int sealed_db_rekey(struct sealed_db *db, const struct store_key *key,
		    int (*reseal)(struct sealed_tx *tx, const struct sealed_db *from,
				  const struct sealed_db *to, struct err *err),
		    struct err *err)
{
	_cleanup_secmem_ struct store_secrets *fresh = secmem_alloc(sizeof(*fresh));
	_cleanup_tx_ struct sealed_tx *tx = NULL;
	struct sealed_db to = *db;
	struct store_kdf kdf;
	int r;

	if (!fresh)
		return no_memory(err);
	to.secrets = fresh;
	to.old = false;
	r = fresh_keys(db, key, &kdf, fresh, err);
	if (r == 0)
		r = sealed_tx_begin(db, true, (struct limit){.deadline = UINT64_MAX}, &tx, err);
	if (r == 0)
		r = reseal(tx, db, &to, err);
	if (r == 0)
		r = sealed_header_write(tx, &to, &kdf, err);
	if (r == 0)
		r = sealed_tx_commit(tx, err);
	if (r < 0)
		return r;
	memcpy(db->secrets, fresh, sizeof(*fresh));
	db->old = false;
	sealed_tx_end(steal(tx));
	r = forget_old_salt(db, key, err);
	/* Removes anything that the old key opens from free pages. */
	return r < 0 ? r : sealed_tx_run(&db->writes, "VACUUM", err);
}
