// SPDX-License-Identifier: Apache-2.0
/* The rows of the embedded store: their sealing and the SQL. See store/local_parts.h. */

#include "store/local_parts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

int local_no_memory(struct err *err)
{
	return err_set(err, ENOMEM, "no memory");
}

char *local_join(const char *folder, const char *name)
{
	char *out;

	return asprintf(&out, "%s%s%s", folder, *folder ? "/" : "", name) < 0 ? NULL : out;
}

/* The text that a row is sealed about: its kind, so that no row passes for another kind's, and its
 * path. */
static int about(struct buf *b, const char *kind, int64_t number, const char *path)
{
	buf_printf(b, "%s %" PRId64 " ", kind, number);
	buf_add_str(b, path);
	return buf_status(b);
}

/* The part of a row that the sum covers. A sealed column is represented by its nonce and its tag. */
#define ROW_MAX 160
struct row {
	unsigned char bytes[ROW_MAX];
	size_t len;
};

static void row_add(struct row *row, const void *bytes, size_t len)
{
	if (bytes)
		memcpy(row->bytes + row->len, bytes, len);
	row->len += bytes ? len : 0;
}

static void row_number(struct row *row, sqlite3_stmt *s, int column)
{
	int64_t n = sqlite3_column_int64(s, column);

	row_add(row, &n, sizeof(n));
}

/* Adds a column's length (-1 for NULL), its head and its tail: a sealed one's nonce and tag. */
static void row_blob(struct row *row, sqlite3_stmt *s, int column)
{
	const char *blob = sqlite3_column_blob(s, column);
	int64_t len = sqlite3_column_type(s, column) == SQLITE_NULL
			      ? -1
			      : (int64_t)sqlite3_column_bytes(s, column);
	size_t head = len > CRYPT_NONCE ? CRYPT_NONCE : (size_t)(len < 0 ? 0 : len);
	size_t tail = len < CRYPT_NONCE + CRYPT_TAG ? 0 : CRYPT_TAG;

	row_add(row, &len, sizeof(len));
	row_add(row, blob, head);
	row_add(row, blob ? blob + len - tail : NULL, tail);
}

/* Columns for row_of_node() and row_of_version(). */
#define NODE	"id, hash, parent, name, meta"
#define VERSION "node, number, body"

static void row_of_node(struct row *row, sqlite3_stmt *s)
{
	*row = (struct row){.bytes = "n", .len = 1};
	row_number(row, s, 0);
	for (int column = 1; column < 5; column++)
		row_blob(row, s, column);
}

static void row_of_version(struct row *row, sqlite3_stmt *s)
{
	*row = (struct row){.bytes = "v", .len = 1};
	row_number(row, s, 0);
	row_number(row, s, 1);
	row_blob(row, s, 2);
}

typedef void row_of(struct row *row, sqlite3_stmt *s);

/* Runs a statement that returns rows which it has made or removed, or is about to change, and moves
 * the sum. Returns their number, or -errno. */
static int move_rows(struct sealed_tx *tx, sqlite3_stmt *s, row_of *of, bool add, struct err *err)
{
	struct row row;
	int r, n = 0;

	while ((r = sealed_tx_step(tx, s, err)) == 1) {
		of(&row, s);
		n++;
		if (sealed_tx_move(tx, row.bytes, row.len, add) < 0)
			return local_no_memory(err);
	}
	return r < 0 ? r : n;
}

static int add_up(struct sealed_tx *tx, const struct local *l, const char *sql, row_of *of,
		  struct sealed_sum *sum, struct err *err)
{
	sqlite3_stmt *s = sealed_tx_prepare(tx, sql, err);
	struct row row;
	int r = s ? 0 : -err->code;

	while (r == 0 && (r = sealed_tx_step(tx, s, err)) == 1) {
		of(&row, s);
		r = sealed_sum_move(l->db, sum, row.bytes, row.len, true);
		if (r < 0)
			return local_no_memory(err);
	}
	return r;
}

int local_add_up(struct sealed_tx *tx, const struct local *l, struct sealed_sum *sum,
		 struct err *err)
{
	int r = add_up(tx, l, "SELECT " NODE " FROM node", row_of_node, sum, err);

	return r < 0 ? r
		     : add_up(tx, l, "SELECT " VERSION " FROM version", row_of_version, sum, err);
}

static int bind_hash(struct local *l, sqlite3_stmt *s, int column, const char *path)
{
	unsigned char hash[SEALED_NAME];

	if (sealed_db_name(l->db, path, strlen(path), hash) < 0)
		return -ENOMEM;
	sqlite3_bind_blob(s, column, hash, sizeof(hash), SQLITE_TRANSIENT);
	return 0;
}

static int parse_row(struct local *l, const struct buf *text, size_t depth, cJSON **out,
		     struct err *err)
{
	int r = json_parse_shallow(text->data ? text->data : "", text->len, depth, out, NULL);

	if (r == -ENOMEM)
		return local_no_memory(err);
	if (r == 0 && cJSON_IsObject(*out))
		return 0;
	cJSON_Delete(steal(*out));
	return sealed_db_damaged(l->db, "a row makes no sense", err);
}

int local_node_get(struct sealed_tx *tx, struct local *l, const char *path, struct local_node *n,
		   struct err *err)
{
	sqlite3_stmt *s = sealed_tx_prepare(tx, "SELECT id, meta FROM node WHERE hash = ?1", err);
	_cleanup_buf_ struct buf text = {0}, what = {0};
	int r;

	*n = (struct local_node){0};
	if (!s)
		return -err->code;
	if (bind_hash(l, s, 1, path) < 0 || about(&what, "meta", 0, path) < 0)
		return local_no_memory(err);
	r = sealed_tx_step(tx, s, err);
	if (r <= 0)
		return r;
	n->id = sqlite3_column_int64(s, 0);
	r = 0;
	if (sqlite3_column_type(s, 1) != SQLITE_NULL) {
		r = sealed_db_unseal_column(l->db, what.data, what.len, s, 1, &text, err);
		if (r == 0)
			r = parse_row(l, &text, JSON_WHOLE, &n->doc, err);
	}
	sqlite3_reset(s);
	return r;
}

/* The parent's path, heap; *name is where the last name begins in `path`. */
static char *parent_of(const char *path, const char **name)
{
	const char *slash = strrchr(path, '/');

	*name = slash ? slash + 1 : path;
	return strndup(path, slash ? (size_t)(slash - path) : 0);
}

static int node_make(struct sealed_tx *tx, struct local *l, const char *path, int64_t *id,
		     struct err *err)
{
	_cleanup_buf_ struct buf sealed = {0}, what = {0};
	const char *name;
	_cleanup_free_ char *parent = parent_of(path, &name);
	sqlite3_stmt *s = sealed_tx_prepare(
		tx, "INSERT INTO node(hash, parent, name) VALUES(?1, ?2, ?3) RETURNING " NODE, err);
	struct row row;
	int r;

	if (!s)
		return -err->code;
	if (!parent || about(&what, "name", 0, parent) < 0 ||
	    sealed_db_seal(l->db, what.data, what.len, name, strlen(name), &sealed) < 0 ||
	    bind_hash(l, s, 1, path) < 0 || bind_hash(l, s, 2, parent) < 0)
		return local_no_memory(err);
	sqlite3_bind_blob(s, 3, sealed.data, (int)sealed.len, SQLITE_TRANSIENT);
	r = sealed_tx_step(tx, s, err);
	if (r == 1) {
		*id = sqlite3_column_int64(s, 0);
		row_of_node(&row, s);
		if (sealed_tx_move(tx, row.bytes, row.len, true) < 0)
			return local_no_memory(err);
	}
	while (r == 1)
		r = sealed_tx_step(tx, s, err);
	return r;
}

/* Makes the folders above a path, from the root down; the root has no row. */
static int make_above(struct sealed_tx *tx, struct local *l, const char *path, struct err *err)
{
	unsigned depth = 1;
	int r = 0;

	for (const char *p = path; *p; p++)
		depth += *p == '/';
	if (depth > LOCAL_DEPTH_MAX)
		return err_set(err, ENAMETOOLONG, "the path has too many names");
	for (const char *slash = strchr(path, '/'); r == 0 && slash;
	     slash = strchr(slash + 1, '/')) {
		_cleanup_free_ char *folder = strndup(path, (size_t)(slash - path));
		_cleanup_node_ struct local_node n = {0};

		if (!folder)
			return local_no_memory(err);
		r = local_node_get(tx, l, folder, &n, err);
		if (r == 0 && !n.id)
			r = node_make(tx, l, folder, &n.id, err);
	}
	return r;
}

/* Takes a row off the sum before it changes. */
static int node_leaves(struct sealed_tx *tx, int64_t id, struct err *err)
{
	sqlite3_stmt *s = sealed_tx_prepare(tx, "SELECT " NODE " FROM node WHERE id = ?1", err);
	int r;

	if (!s)
		return -err->code;
	sqlite3_bind_int64(s, 1, id);
	r = move_rows(tx, s, row_of_node, false, err);
	return r < 0 ? r : 0;
}

static int node_comes(struct sealed_tx *tx, sqlite3_stmt *s, struct err *err)
{
	int r = move_rows(tx, s, row_of_node, true, err);

	return r < 0 ? r : 0;
}

int local_node_put(struct sealed_tx *tx, struct local *l, const char *path, struct local_node *n,
		   struct err *err)
{
	_cleanup_buf_ struct buf text = {0}, sealed = {0}, what = {0};
	sqlite3_stmt *s;
	int r = 0;

	if (!n->id)
		r = make_above(tx, l, path, err);
	if (r == 0 && !n->id)
		r = node_make(tx, l, path, &n->id, err);
	if (r == 0)
		r = node_leaves(tx, n->id, err);
	if (r < 0)
		return r;
	if (json_print(n->doc, false, &text) < 0 || about(&what, "meta", 0, path) < 0 ||
	    sealed_db_seal(l->db, what.data, what.len, text.data, text.len, &sealed) < 0)
		return local_no_memory(err);
	s = sealed_tx_prepare(tx, "UPDATE node SET meta = ?1 WHERE id = ?2 RETURNING " NODE, err);
	if (!s)
		return -err->code;
	sqlite3_bind_blob(s, 1, sealed.data, (int)sealed.len, SQLITE_TRANSIENT);
	sqlite3_bind_int64(s, 2, n->id);
	return node_comes(tx, s, err);
}

int local_node_reseal(struct sealed_tx *tx, struct local *to, const char *path,
		      struct local_node *n, struct err *err)
{
	_cleanup_buf_ struct buf sealed = {0}, what = {0};
	const char *name;
	_cleanup_free_ char *parent = parent_of(path, &name);
	sqlite3_stmt *s = sealed_tx_prepare(
		tx, "UPDATE node SET hash = ?1, parent = ?2, name = ?3 WHERE id = ?4", err);
	int r;

	if (!s)
		return -err->code;
	if (!parent || about(&what, "name", 0, parent) < 0 ||
	    sealed_db_seal(to->db, what.data, what.len, name, strlen(name), &sealed) < 0 ||
	    bind_hash(to, s, 1, path) < 0 || bind_hash(to, s, 2, parent) < 0)
		return local_no_memory(err);
	sqlite3_bind_blob(s, 3, sealed.data, (int)sealed.len, SQLITE_TRANSIENT);
	sqlite3_bind_int64(s, 4, n->id);
	r = sealed_tx_step(tx, s, err);
	return r < 0 || !n->doc ? r : local_node_put(tx, to, path, n, err);
}

static int node_forget(struct sealed_tx *tx, int64_t id, struct err *err)
{
	static const char sql[] = "UPDATE node SET meta = NULL WHERE id = ?1 RETURNING " NODE;
	sqlite3_stmt *s = sealed_tx_prepare(tx, sql, err);
	int r = s ? node_leaves(tx, id, err) : -err->code;

	if (r < 0)
		return r;
	sqlite3_bind_int64(s, 1, id);
	return node_comes(tx, s, err);
}

static int node_delete(struct sealed_tx *tx, int64_t id, struct err *err)
{
	sqlite3_stmt *s =
		sealed_tx_prepare(tx, "DELETE FROM node WHERE id = ?1 RETURNING " NODE, err);
	int r;

	if (!s)
		return -err->code;
	sqlite3_bind_int64(s, 1, id);
	r = move_rows(tx, s, row_of_node, false, err);
	return r < 0 ? r : 0;
}

/* 1 if there is something below it. */
static int has_children(struct sealed_tx *tx, struct local *l, const char *path, struct err *err)
{
	sqlite3_stmt *s =
		sealed_tx_prepare(tx, "SELECT 1 FROM node WHERE parent = ?1 LIMIT 1", err);
	int r;

	if (!s)
		return -err->code;
	if (bind_hash(l, s, 1, path) < 0)
		return local_no_memory(err);
	r = sealed_tx_step(tx, s, err);
	sqlite3_reset(s);
	return r;
}

int local_node_drop(struct sealed_tx *tx, struct local *l, const char *path, int64_t id,
		    struct err *err)
{
	_cleanup_free_ char *at = strdup(path);
	int r = at ? node_forget(tx, id, err) : local_no_memory(err);

	while (r == 0 && *at) {
		_cleanup_node_ struct local_node n = {0};
		char *slash = strrchr(at, '/');

		r = local_node_get(tx, l, at, &n, err);
		if (r < 0 || !n.id || n.doc)
			return r;
		r = has_children(tx, l, at, err);
		if (r != 0)
			return r < 0 ? r : 0;
		r = node_delete(tx, n.id, err);
		*(slash ? slash : at) = '\0';
	}
	return r;
}

int local_body_get(struct sealed_tx *tx, struct local *l, const char *path, int64_t id,
		   int64_t number, cJSON **data, struct err *err)
{
	_cleanup_buf_ struct buf text = {0}, what = {0};
	sqlite3_stmt *s = sealed_tx_prepare(
		tx, "SELECT body FROM version WHERE node = ?1 AND number = ?2", err);
	int r;

	if (!s)
		return -err->code;
	sqlite3_bind_int64(s, 1, id);
	sqlite3_bind_int64(s, 2, number);
	if (about(&what, "data", number, path) < 0)
		return local_no_memory(err);
	r = sealed_tx_step(tx, s, err);
	if (r <= 0)
		return r;
	r = sealed_db_unseal_column(l->db, what.data, what.len, s, 0, &text, err);
	sqlite3_reset(s);
	return r < 0 ? r : parse_row(l, &text, 1, data, err);
}

int local_body_seal(const struct sealed_db *db, const char *path, int64_t number,
		    const struct buf *text, struct buf *sealed)
{
	_cleanup_buf_ struct buf what = {0};

	if (about(&what, "data", number, path) < 0)
		return -ENOMEM;
	return sealed_db_seal(db, what.data, what.len, text->data, text->len, sealed);
}

int local_body_put(struct sealed_tx *tx, int64_t id, int64_t number, const struct buf *sealed,
		   struct err *err)
{
	sqlite3_stmt *s = sealed_tx_prepare(
		tx, "INSERT INTO version(node, number, body) VALUES(?1, ?2, ?3) RETURNING " VERSION,
		err);
	int r;

	if (!s)
		return -err->code;
	sqlite3_bind_int64(s, 1, id);
	sqlite3_bind_int64(s, 2, number);
	sqlite3_bind_blob64(s, 3, sealed->data, sealed->len, SQLITE_STATIC);
	r = move_rows(tx, s, row_of_version, true, err);
	return r < 0 ? r : 0;
}

int local_body_drop(struct sealed_tx *tx, int64_t id, int64_t first, int64_t end, struct err *err)
{
	sqlite3_stmt *s = sealed_tx_prepare(
		tx,
		"DELETE FROM version WHERE node = ?1 AND number >= ?2 AND number < ?3 "
		"RETURNING " VERSION,
		err);
	int r;

	if (!s)
		return -err->code;
	sqlite3_bind_int64(s, 1, id);
	sqlite3_bind_int64(s, 2, first);
	sqlite3_bind_int64(s, 3, end);
	r = move_rows(tx, s, row_of_version, false, err);
	return r < 0 ? r : 0;
}

void local_children_fini(struct local_children *c)
{
	for (size_t i = 0; i < c->count; i++)
		free(c->all[i].name);
	free(c->all);
	*c = (struct local_children){0};
}

static int add_child(struct local *l, sqlite3_stmt *s, const struct buf *what,
		     struct local_children *out, struct err *err)
{
	_cleanup_buf_ struct buf name = {0};
	struct local_child *all, *child;
	int r = sealed_db_unseal_column(l->db, what->data, what->len, s, 1, &name, err);

	if (r < 0)
		return r;
	/* Double the room at 0, 1, 2, 4, ... entries. */
	if ((out->count & (out->count - 1)) == 0) {
		all = realloc(out->all, (out->count ? 2 * out->count : 1) * sizeof(*all));
		if (!all)
			return local_no_memory(err);
		out->all = all;
	}
	child = &out->all[out->count];
	*child = (struct local_child){.id = sqlite3_column_int64(s, 0),
				      .secret = sqlite3_column_int(s, 2),
				      .folder = sqlite3_column_int(s, 3),
				      .name = strdup(name.data ? name.data : "")};
	out->count++;
	return child->name ? 0 : local_no_memory(err);
}

static int compare_children(const void *a, const void *b)
{
	return strcmp(((const struct local_child *)a)->name, ((const struct local_child *)b)->name);
}

int local_children_get(struct sealed_tx *tx, struct local *l, const char *path,
		       struct local_children *out, struct err *err)
{
	static const char sql[] =
		"SELECT id, name, meta IS NOT NULL, "
		"EXISTS(SELECT 1 FROM node AS below WHERE below.parent = node.hash) "
		"FROM node WHERE parent = ?1";
	sqlite3_stmt *s = sealed_tx_prepare(tx, sql, err);
	_cleanup_buf_ struct buf what = {0};
	int r;

	*out = (struct local_children){0};
	if (!s)
		return -err->code;
	if (bind_hash(l, s, 1, path) < 0 || about(&what, "name", 0, path) < 0)
		return local_no_memory(err);
	while ((r = sealed_tx_step(tx, s, err)) == 1) {
		r = add_child(l, s, &what, out, err);
		if (r < 0)
			break;
	}
	sqlite3_reset(s);
	if (r < 0)
		local_children_fini(out);
	else if (out->count)
		qsort(out->all, out->count, sizeof(out->all[0]), compare_children);
	return r;
}
