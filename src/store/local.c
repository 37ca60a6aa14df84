// SPDX-License-Identifier: Apache-2.0
/* The embedded store's operations, each one transaction: read the secret's metadata, decide as a
 * server would (store/local_doc.h), write the changes. */

#include "store/local.h"

#include "base/clock.h"
#include "base/log.h"
#include "store/local_doc.h"
#include "store/local_parts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char schema[] =
	"CREATE TABLE node(id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, "
	"parent BLOB NOT NULL, name BLOB NOT NULL, meta BLOB);"
	"CREATE INDEX node_parent ON node(parent);"
	"CREATE TABLE version(node INTEGER NOT NULL, number INTEGER NOT NULL, body BLOB NOT NULL, "
	"UNIQUE(node, number));";

static int open_again(struct local *l, const struct sealed_db_config *config, struct err *err)
{
	sealed_db_close(steal(l->db));
	return sealed_db_open(config, &l->db, err);
}

/* Gives new keys to a store of the format before rows were bound. That needs the store to itself;
 * if others have it open, it stays in the old format. */
static int upgrade(struct local *l, const struct sealed_db_config *config, struct err *err)
{
	struct sealed_db_config alone = *config;
	struct err why = {0};
	int r;

	alone.alone = true;
	r = config->alone ? 0 : open_again(l, &alone, &why);
	if (r == 0)
		r = local_rekey(l, config->key, &why);
	if (r < 0)
		log_info("the store stays in its old format for now", F_STR("file", config->path),
			 F_ERR(&why));
	else
		log_info("the store has a new format", F_STR("file", config->path));
	return config->alone ? 0 : open_again(l, config, err);
}

int local_open(const struct local_config *c, struct local **out, struct err *err)
{
	struct sealed_db_config config = {
		.path = c->file,
		.kind = "secrets",
		.schema = schema,
		.advice = "put back a copy of it, or import an export into a new one",
		.key = c->key,
		.create = c->create,
		.alone = c->alone,
		.guarded = true,
		.bound = true,
		.limit = c->limit};
	struct local *l = calloc(1, sizeof(*l));
	int r = l ? sealed_db_open(&config, &l->db, err) : local_no_memory(err);

	if (r == 0 && sealed_db_is_old(l->db))
		r = upgrade(l, &config, err);
	if (r == 0 && c->verify)
		r = local_verify(l, c->limit, err);
	if (r == 0)
		r = local_check_state(l, c->limit, err);
	if (r < 0) {
		local_close(l);
		return r;
	}
	*out = l;
	return 0;
}

void local_close(struct local *l)
{
	if (!l)
		return;
	sealed_db_close(l->db);
	free(l);
}

const char *local_file(const struct local *l)
{
	return sealed_db_path(l->db);
}

/* Reads a version of an existing node. */
static int read_node(struct sealed_tx *tx, struct local *l, const char *path,
		     const struct local_node *n, int64_t number, cJSON **data, cJSON **metadata,
		     struct err *err)
{
	const cJSON *row;
	int r = 0;

	if (!number)
		number = json_get_int(n->doc, "current_version", 0);
	row = local_doc_row(n->doc, number);
	if (!row)
		return 0;
	if (local_doc_live(row, clock_wall()))
		r = local_body_get(tx, l, path, n->id, number, data, err);
	if (r == 0 && !*data && local_doc_live(row, clock_wall()))
		r = sealed_db_damaged(l->db, "the values of a version are missing", err);
	if (r < 0)
		return r;
	*metadata = local_doc_reading(n->doc, row, number);
	return *metadata ? 0 : local_no_memory(err);
}

int local_read(struct local *l, const char *path, int64_t number, struct limit limit, cJSON **data,
	       cJSON **metadata, struct err *err)
{
	_cleanup_node_ struct local_node n = {0};
	_cleanup_tx_ struct sealed_tx *tx = NULL;
	int r = sealed_tx_begin(l->db, false, limit, &tx, err);

	*data = *metadata = NULL;
	if (r == 0)
		r = local_node_get(tx, l, path, &n, err);
	if (r == 0 && n.doc)
		r = read_node(tx, l, path, &n, number, data, metadata, err);
	if (r < 0)
		cJSON_Delete(steal(*data));
	return r;
}

static int check_cas(const struct local_node *n, int64_t cas, struct err *err)
{
	int64_t current = json_get_int(n->doc, "current_version", 0);

	if (cas == LOCAL_ANY && json_get_bool(n->doc, "cas_required"))
		return err_set(err, EINVAL, "the secret requires check-and-set for each write");
	if (cas != LOCAL_ANY && cas != current)
		return err_set(err, EBUSY,
			       "the secret was changed meanwhile: its version is %" PRId64
			       ", not %" PRId64,
			       current, cas);
	return 0;
}

static int add_version(struct sealed_tx *tx, struct local *l, const char *path,
		       struct local_node *n, const struct buf *text, int64_t now, int64_t *number,
		       struct err *err)
{
	_cleanup_buf_ struct buf sealed = {0};
	int64_t kept;
	int r;

	if (local_doc_add(n->doc, now, number, &kept) < 0 ||
	    local_body_seal(l->db, path, *number, text, &sealed) < 0)
		return local_no_memory(err);
	r = local_node_put(tx, l, path, n, err);
	if (r == 0)
		r = local_body_put(tx, n->id, *number, &sealed, err);
	return r < 0 ? r : local_body_drop(tx, n->id, 0, kept, err);
}

static bool is_live(const struct local_node *n)
{
	const cJSON *row = local_doc_row(n->doc, json_get_int(n->doc, "current_version", 0));

	return row && local_doc_live(row, clock_wall());
}

static int write_version(struct local *l, const char *path, const cJSON *data, int64_t cas,
			 bool onto_live, struct limit limit, int64_t *number, int64_t *created,
			 struct err *err)
{
	_cleanup_node_ struct local_node n = {0};
	_cleanup_buf_ struct buf text = {0};
	_cleanup_tx_ struct sealed_tx *tx = NULL;
	int r = json_print(data, false, &text) < 0 ? local_no_memory(err) : 0;

	if (r == 0)
		r = sealed_tx_begin(l->db, true, limit, &tx, err);
	if (r == 0)
		r = local_node_get(tx, l, path, &n, err);
	if (r == 0)
		r = check_cas(&n, cas, err);
	if (r == 0 && onto_live && !is_live(&n))
		r = err_set(err, ENOENT, "the secret was deleted meanwhile");
	if (r < 0)
		return r;
	*created = n.doc ? local_doc_time(n.doc, clock_wall()) : clock_wall();
	if (!n.doc)
		n.doc = local_doc_new(*created);
	if (!n.doc)
		return local_no_memory(err);
	r = add_version(tx, l, path, &n, &text, *created, number, err);
	return r < 0 ? r : sealed_tx_commit(tx, err);
}

int local_write(struct local *l, const char *path, const cJSON *data, int64_t cas,
		struct limit limit, int64_t *number, int64_t *created, struct err *err)
{
	return write_version(l, path, data, cas, false, limit, number, created, err);
}

int local_replace(struct local *l, const char *path, const cJSON *data, int64_t cas,
		  struct limit limit, int64_t *number, int64_t *created, struct err *err)
{
	return write_version(l, path, data, cas, true, limit, number, created, err);
}

static int do_row(struct sealed_tx *tx, const struct local_node *n, cJSON *row, int64_t number,
		  enum local_deed deed, struct err *err)
{
	int r;

	if (deed == LOCAL_DELETE)
		r = local_doc_delete(row, clock_wall());
	else if (deed == LOCAL_UNDELETE)
		r = local_doc_undelete(row);
	else
		r = local_doc_destroy(row);
	if (r < 0)
		return local_no_memory(err);
	return deed == LOCAL_DESTROY ? local_body_drop(tx, n->id, number, number + 1, err) : 0;
}

int local_do(struct local *l, const char *path, int64_t number, enum local_deed deed,
	     struct limit limit, struct err *err)
{
	_cleanup_node_ struct local_node n = {0};
	_cleanup_tx_ struct sealed_tx *tx = NULL;
	cJSON *row;
	int r = sealed_tx_begin(l->db, true, limit, &tx, err);

	if (r == 0)
		r = local_node_get(tx, l, path, &n, err);
	if (r == 0 && !n.doc)
		r = err_set(err, ENOENT, "there is no such secret");
	if (r < 0)
		return r;
	row = local_doc_row(n.doc, number);
	if (!row)
		return 0;
	r = do_row(tx, &n, row, number, deed, err);
	if (r == 0)
		r = local_node_put(tx, l, path, &n, err);
	return r < 0 ? r : sealed_tx_commit(tx, err);
}

int local_purge(struct local *l, const char *path, struct limit limit, struct err *err)
{
	_cleanup_node_ struct local_node n = {0};
	_cleanup_tx_ struct sealed_tx *tx = NULL;
	int r = sealed_tx_begin(l->db, true, limit, &tx, err);

	if (r == 0)
		r = local_node_get(tx, l, path, &n, err);
	if (r < 0 || !n.doc)
		return r;
	r = local_body_drop(tx, n.id, 0, INT64_MAX, err);
	if (r == 0)
		r = local_node_drop(tx, l, path, n.id, err);
	return r < 0 ? r : sealed_tx_commit(tx, err);
}

static int add_key(cJSON *keys, const char *name, bool folder)
{
	_cleanup_buf_ struct buf text = {0};
	cJSON *item;

	buf_printf(&text, "%s%s", name, folder ? "/" : "");
	item = buf_status(&text) == 0 ? json_new_string(text.data, text.len) : NULL;
	return item && cJSON_AddItemToArray(keys, item) ? 0 : -ENOMEM;
}

int local_list(struct local *l, const char *path, struct limit limit, cJSON **keys, struct err *err)
{
	_cleanup_children_ struct local_children children = {0};
	_cleanup_json_ cJSON *array = cJSON_CreateArray();
	_cleanup_tx_ struct sealed_tx *tx = NULL;
	int r = array ? sealed_tx_begin(l->db, false, limit, &tx, err) : local_no_memory(err);

	if (r == 0)
		r = local_children_get(tx, l, path, &children, err);
	for (size_t i = 0; r == 0 && i < children.count; i++) {
		const struct local_child *c = &children.all[i];

		if ((c->secret && add_key(array, c->name, false) < 0) ||
		    (c->folder && add_key(array, c->name, true) < 0))
			r = local_no_memory(err);
	}
	if (r == 0)
		*keys = steal(array);
	return r;
}

int local_metadata(struct local *l, const char *path, struct limit limit, cJSON **out,
		   struct err *err)
{
	_cleanup_node_ struct local_node n = {0};
	_cleanup_tx_ struct sealed_tx *tx = NULL;
	int r = sealed_tx_begin(l->db, false, limit, &tx, err);

	if (r == 0)
		r = local_node_get(tx, l, path, &n, err);
	if (r == 0 && !n.doc)
		r = err_set(err, ENOENT, "there is no such secret");
	if (r == 0)
		*out = steal(n.doc);
	return r;
}

int local_change_metadata(struct local *l, const char *path, const cJSON *patch, struct limit limit,
			  struct err *err)
{
	_cleanup_node_ struct local_node n = {0};
	_cleanup_tx_ struct sealed_tx *tx = NULL;
	int r = sealed_tx_begin(l->db, true, limit, &tx, err);

	if (r == 0)
		r = local_node_get(tx, l, path, &n, err);
	if (r < 0)
		return r;
	if (!n.doc)
		n.doc = local_doc_new(clock_wall());
	r = n.doc ? local_doc_patch(n.doc, patch, err) : -ENOMEM;
	if (r == -ENOMEM)
		return local_no_memory(err);
	if (r == 0)
		r = local_node_put(tx, l, path, &n, err);
	return r < 0 ? r : sealed_tx_commit(tx, err);
}

/* "local:FILE/PATH": leading components that are directories lead to the file. The first other one
 * is the file, even if it does not exist yet; the rest is a path in the store. */

bool local_is_source(const char *source)
{
	return !strncmp(source, LOCAL_SOURCE, strlen(LOCAL_SOURCE));
}

/* Removes repeated and trailing slashes. */
static void tidy(char *path)
{
	char *to = path;

	for (const char *from = path; *from; from++)
		if (*from != '/' || to == path || to[-1] != '/')
			*to++ = *from;
	if (to > path + 1 && to[-1] == '/')
		to--;
	*to = '\0';
}

static bool is_folder(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Ends `path` at the file; returns the rest, or NULL if all of it is directories. */
static char *cut(char *path)
{
	for (char *p = path + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (!is_folder(path))
			return p + 1;
		*p = '/';
	}
	return is_folder(path) ? NULL : path + strlen(path);
}

int local_source_parse(const char *source, char **file, char **path, struct err *err)
{
	const char *name = source + strlen(LOCAL_SOURCE);
	_cleanup_free_ char *here = *name == '/' ? strdup("") : getcwd(NULL, 0), *full = NULL;
	char *rest;

	if (!*name)
		return err_set(err, EINVAL, "%s names no file: local:FILE", source);
	if (!here || asprintf(&full, "%s%s%s", here, *here ? "/" : "", name) < 0)
		return err_set(err, ENOMEM, "no memory");
	tidy(full);
	rest = cut(full);
	if (!rest)
		return err_set(err, EINVAL, "%s is a directory, and no store", full);
	*path = strdup(rest);
	*file = strdup(full);
	return *path && *file ? 0 : err_set(err, ENOMEM, "no memory");
}
