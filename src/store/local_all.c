// SPDX-License-Identifier: Apache-2.0
/* Work over a whole embedded store: verification, export, import, a new key. */

#include "store/local.h"

#include "base/clock.h"
#include "store/local_doc.h"
#include "store/local_parts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define FORMAT "vaultfs-export-1"

struct walk {
	struct sealed_tx *tx;
	struct local *l;
	int64_t nodes, versions; /* seen */
	unsigned depth;
	/* Called for each node, below before above. */
	int (*visit)(struct walk *w, const struct local_child *c, const char *path,
		     const char *parent, struct err *err);
	cJSON *secrets;	 /* of an export */
	struct local to; /* of a new key */
};

/* Walks everything below a folder. The recursion is as deep as paths, which are bounded; but a node
 * without a name, in the root, would be its own child. */
static int walk_folder(struct walk *w, const char *folder, struct err *err)
{
	_cleanup_children_ struct local_children children = {0};
	int r = local_children_get(w->tx, w->l, folder, &children, err);

	if (r == 0 && children.count && w->depth == LOCAL_DEPTH_MAX)
		return sealed_db_damaged(w->l->db, "a path has too many names", err);
	w->depth++;
	for (size_t i = 0; r == 0 && i < children.count; i++) {
		const char *name = children.all[i].name;
		_cleanup_free_ char *path = local_join(folder, name);

		if (!path)
			return local_no_memory(err);
		if (!*name || strchr(name, '/'))
			return sealed_db_damaged(w->l->db, "a secret has no name", err);
		w->nodes++;
		r = walk_folder(w, path, err);
		if (r == 0)
			r = w->visit(w, &children.all[i], path, folder, err);
	}
	w->depth--;
	return r;
}

static int count(struct sealed_tx *tx, const char *sql, int64_t *n, struct err *err)
{
	sqlite3_stmt *s = sealed_tx_prepare(tx, sql, err);
	int r = s ? sealed_tx_step(tx, s, err) : -err->code;

	if (r == 1)
		*n = sqlite3_column_int64(s, 0);
	if (s)
		sqlite3_reset(s);
	return r < 0 ? r : 0;
}

static int walk(struct walk *w, struct err *err)
{
	int64_t nodes = 0, versions = 0;
	int r = walk_folder(w, "", err);

	if (r == 0)
		r = count(w->tx, "SELECT count(*) FROM node", &nodes, err);
	if (r == 0)
		r = count(w->tx, "SELECT count(*) FROM version", &versions, err);
	if (r == 0 && (nodes != w->nodes || versions != w->versions))
		r = sealed_db_damaged(w->l->db, "rows are missing, or too many", err);
	return r;
}

/* Reads the values of each version that is not destroyed, under its number. */
static int read_versions(struct walk *w, const char *path, const struct local_node *n, cJSON *to,
			 struct err *err)
{
	const cJSON *rows = json_get(n->doc, "versions");

	for (const cJSON *row = rows ? rows->child : NULL; row; row = row->next) {
		cJSON *data = NULL;
		int64_t number = strtoll(row->string, NULL, 10);
		int r = local_body_get(w->tx, w->l, path, n->id, number, &data, err);

		if (r == 0 && !data != json_get_bool(row, "destroyed")) {
			cJSON_Delete(data);
			r = sealed_db_damaged(w->l->db, "the values of a version are missing", err);
		}
		if (r < 0)
			return r;
		w->versions += data != NULL;
		if (!to)
			cJSON_Delete(data);
		else if (data && local_json_set(to, row->string, data) < 0)
			return local_no_memory(err);
	}
	return 0;
}

static int get_again(struct walk *w, const struct local_child *c, const char *path,
		     struct local_node *n, struct err *err)
{
	int r = local_node_get(w->tx, w->l, path, n, err);

	if (r == 0 && (n->id != c->id || (n->doc != NULL) != c->secret))
		r = sealed_db_damaged(w->l->db, "a row is in the wrong place", err);
	return r;
}

static int verify_one(struct walk *w, const struct local_child *c, const char *path,
		      const char *parent, struct err *err)
{
	_cleanup_node_ struct local_node n = {0};
	int r = get_again(w, c, path, &n, err);

	return r < 0 ? r : read_versions(w, path, &n, NULL, err);
}

int local_verify(struct local *l, struct limit limit, struct err *err)
{
	_cleanup_tx_ struct sealed_tx *tx = NULL;
	int r = sealed_tx_begin(l->db, false, limit, &tx, err);
	struct walk w = {.tx = tx, .l = l, .visit = verify_one};

	return r < 0 ? r : walk(&w, err);
}

int local_check_state(struct local *l, struct limit limit, struct err *err)
{
	_cleanup_tx_ struct sealed_tx *tx = NULL;
	struct sealed_sum sum = {0};
	int r = sealed_tx_begin(l->db, false, limit, &tx, err);

	if (r == 0)
		r = local_add_up(tx, l, &sum, err);
	return r < 0 ? r : sealed_state_check(tx, &sum, err);
}

static int export_one(struct walk *w, const struct local_child *c, const char *path,
		      const char *parent, struct err *err)
{
	_cleanup_json_ cJSON *secret = cJSON_CreateObject(), *versions = cJSON_CreateObject();
	_cleanup_node_ struct local_node n = {0};
	int r = get_again(w, c, path, &n, err);

	if (r < 0 || !n.doc)
		return r;
	r = secret && versions ? read_versions(w, path, &n, versions, err) : -ENOMEM;
	if (r == 0)
		r = local_json_set(secret, "metadata", steal(n.doc));
	if (r == 0)
		r = local_json_set(secret, "versions", steal(versions));
	if (r == 0)
		r = json_add(w->secrets, path, strlen(path), steal(secret));
	return r == -ENOMEM ? local_no_memory(err) : r;
}

int local_export(struct local *l, struct limit limit, cJSON **out, struct err *err)
{
	_cleanup_json_ cJSON *all = cJSON_CreateObject(), *secrets = cJSON_CreateObject();
	_cleanup_tx_ struct sealed_tx *tx = NULL;
	int r = all && secrets ? sealed_tx_begin(l->db, false, limit, &tx, err)
			       : local_no_memory(err);
	struct walk w = {.tx = tx, .l = l, .visit = export_one, .secrets = secrets};

	if (r == 0)
		r = walk(&w, err);
	if (r < 0)
		return r;
	if (local_json_set(all, "format", json_new_string(FORMAT, strlen(FORMAT))) < 0 ||
	    local_json_set(all, "secrets", steal(secrets)) < 0)
		return local_no_memory(err);
	*out = steal(all);
	return 0;
}

/* Names separated by single slashes. */
static bool is_path(const char *path, size_t len)
{
	return len && strlen(path) == len && *path != '/' && path[len - 1] != '/' &&
	       !strstr(path, "//");
}

static int nonsense(const char *path, struct err *err)
{
	return err_set(err, EINVAL, "that is no export of a store: %s makes no sense", path);
}

static int import_versions(struct sealed_tx *tx, struct local *l, const char *path,
			   const struct local_node *n, const cJSON *versions, struct err *err)
{
	const cJSON *rows = json_get(n->doc, "versions");
	int r = 0, seen = 0;

	for (const cJSON *row = rows->child; r == 0 && row; row = row->next) {
		const cJSON *data = json_get(versions, row->string);
		_cleanup_buf_ struct buf text = {0}, sealed = {0};
		int64_t number = strtoll(row->string, NULL, 10);

		if (!cJSON_IsObject(row) || number < 1 ||
		    !data != json_get_bool(row, "destroyed") || (data && !cJSON_IsObject(data)))
			return nonsense(path, err);
		if (!data)
			continue;
		seen++;
		if (json_print(data, false, &text) < 0 ||
		    local_body_seal(l->db, path, number, &text, &sealed) < 0)
			return local_no_memory(err);
		r = local_body_put(tx, n->id, number, &sealed, err);
	}
	return r == 0 && seen != cJSON_GetArraySize(versions) ? nonsense(path, err) : r;
}

static int import_one(struct sealed_tx *tx, struct local *l, const cJSON *secret, struct err *err)
{
	const char *path = secret->string;
	const cJSON *metadata = json_get(secret, "metadata"),
		    *versions = json_get(secret, "versions");
	_cleanup_node_ struct local_node n = {0};
	int r;

	if (!is_path(path, json_key_len(secret)) || !cJSON_IsObject(metadata) ||
	    !cJSON_IsObject(versions) || !cJSON_IsObject(json_get(metadata, "versions")) ||
	    json_get_int(metadata, "current_version", -1) < 0)
		return nonsense(path, err);
	r = local_node_get(tx, l, path, &n, err);
	if (r == 0 && n.doc)
		return err_set(err, EEXIST, "%s is there already, and nothing was imported", path);
	if (r < 0)
		return r;
	n.doc = cJSON_Duplicate(metadata, true);
	r = n.doc ? local_node_put(tx, l, path, &n, err) : local_no_memory(err);
	return r < 0 ? r : import_versions(tx, l, path, &n, versions, err);
}

int local_import(struct local *l, const cJSON *all, struct limit limit, size_t *number,
		 struct err *err)
{
	const char *format = json_get_str(all, "format");
	const cJSON *secrets = json_get(all, "secrets");
	_cleanup_tx_ struct sealed_tx *tx = NULL;
	int r;

	*number = 0;
	if (!format || strcmp(format, FORMAT) != 0 || !cJSON_IsObject(secrets))
		return err_set(err, EINVAL, "that is no export of a store");
	r = sealed_tx_begin(l->db, true, limit, &tx, err);
	for (const cJSON *s = secrets->child; r == 0 && s; s = s->next, (*number)++)
		r = import_one(tx, l, s, err);
	return r < 0 ? r : sealed_tx_commit(tx, err);
}

static int reseal_one(struct walk *w, const struct local_child *c, const char *path,
		      const char *parent, struct err *err)
{
	_cleanup_json_ cJSON *versions = cJSON_CreateObject();
	_cleanup_node_ struct local_node n = {0};
	int r = versions ? get_again(w, c, path, &n, err) : local_no_memory(err);

	if (r == 0)
		r = read_versions(w, path, &n, versions, err);
	if (r == 0)
		r = local_body_drop(w->tx, c->id, 0, INT64_MAX, err);
	if (r == 0)
		r = local_node_reseal(w->tx, &w->to, path, &n, err);
	return r < 0 || !n.doc ? r : import_versions(w->tx, &w->to, path, &n, versions, err);
}

static int reseal(struct sealed_tx *tx, const struct sealed_db *from, const struct sealed_db *to,
		  struct err *err)
{
	struct local l = {.db = (struct sealed_db *)from};
	struct walk w = {
		.tx = tx, .l = &l, .visit = reseal_one, .to = {.db = (struct sealed_db *)to}};
	struct sealed_sum sum = {0};
	int r = walk(&w, err);

	if (r == 0)
		r = local_add_up(tx, &w.to, &sum, err);
	return r < 0 ? r : sealed_state_put(tx, to, &sum, err);
}

int local_rekey(struct local *l, const struct store_key *key, struct err *err)
{
	return sealed_db_rekey(l->db, key, reseal, err);
}
