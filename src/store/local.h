/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_LOCAL_H
#define STORE_LOCAL_H

#include "base/cancel.h"
#include "base/json.h"
#include "store/store_key.h"

/* The embedded store: secrets with versions in one sealed file, which behave as in a key-value
 * engine of version 2. Values are JSON objects, and metadata is the JSON that the server would
 * send. Paths are as in kv/kv.h. Thread-safe; errors as in store/sealed_db.h, besides those named
 * here. */
struct local;

/* Parses "local:FILE/PATH". FILE ends at the first component that is no directory, and is made
 * absolute; PATH is the rest, or "". Both heap. 0, -ENOMEM, or -EINVAL with a sentence. */
#define LOCAL_SOURCE "local:"
bool local_is_source(const char *source);
int local_source_parse(const char *source, char **file, char **path, struct err *err);

struct local_config {
	const char *file;
	const struct store_key *key;
	bool create; /* if it does not exist */
	bool alone;  /* nobody else may have it open */
	bool verify; /* open every row, to find damage now */
	struct limit limit;
};
int local_open(const struct local_config *c, struct local **out, struct err *err);
void local_close(struct local *l);
const char *local_file(const struct local *l);

#define LOCAL_ANY (-1)

/* Reads version `number`; 0: the latest. *data is NULL if the version is not live, *metadata too if
 * there is no such version. The caller's. */
int local_read(struct local *l, const char *path, int64_t number, struct limit limit, cJSON **data,
	       cJSON **metadata, struct err *err);

/* -EBUSY if the latest version is not `cas`; -EINVAL if the secret requires check-and-set. */
int local_write(struct local *l, const char *path, const cJSON *data, int64_t cas,
		struct limit limit, int64_t *number, int64_t *created, struct err *err);

/* Like local_write(), but -ENOENT if the latest version is not live. */
int local_replace(struct local *l, const char *path, const cJSON *data, int64_t cas,
		  struct limit limit, int64_t *number, int64_t *created, struct err *err);

/* Changes one version. -ENOENT if there is no such secret; does nothing if there is no such
 * version. */
enum local_deed { LOCAL_DELETE, LOCAL_UNDELETE, LOCAL_DESTROY };
int local_do(struct local *l, const char *path, int64_t number, enum local_deed deed,
	     struct limit limit, struct err *err);
int local_purge(struct local *l, const char *path, struct limit limit, struct err *err);

/* The names in a folder, folders with a slash; the caller's, an empty array if there is no such
 * folder. */
int local_list(struct local *l, const char *path, struct limit limit, cJSON **keys,
	       struct err *err);

/* -ENOENT; the caller's. A change creates a secret without versions if there is none. */
int local_metadata(struct local *l, const char *path, struct limit limit, cJSON **out,
		   struct err *err);
int local_change_metadata(struct local *l, const char *path, const cJSON *patch, struct limit limit,
			  struct err *err);

/* Exports everything as JSON, {"format": ..., "secrets": {PATH: {"metadata": ..., "versions": {N:
 * DATA}}}}. An import is one transaction: -EEXIST if a path is taken, -EINVAL if `all` is no
 * export. */
int local_export(struct local *l, struct limit limit, cJSON **out, struct err *err);
int local_import(struct local *l, const cJSON *all, struct limit limit, size_t *count,
		 struct err *err);

/* For a store that was opened `alone`; see sealed_db_rekey(). */
int local_rekey(struct local *l, const struct store_key *key, struct err *err);

#endif
