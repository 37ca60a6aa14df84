/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_LOCAL_H
#define STORE_LOCAL_H

#include "base/cancel.h"
#include "base/json.h"
#include "store/store_key.h"

/* The embedded store: secrets with versions in one sealed file, that behave as those of a key-value
 * engine of version 2. Values are JSON objects, and what is known of them is the JSON that the server
 * would send. Paths are as in kv/kv.h. Thread-safe; errors as in store/sealed_db.h, and as said here. */
struct local;

/* "local:FILE/PATH": FILE is the first on the way that is no directory, made absolute, and PATH what
 * follows, "" for all of it. Both heap. 0, -ENOMEM, or -EINVAL with a sentence. */
#define LOCAL_SOURCE "local:"
bool local_is_source(const char *source);
int local_source_parse(const char *source, char **file, char **path, struct err *err);

struct local_config {
	const char *file;
	const struct store_key *key;
	bool create; /* where there is none */
	bool alone;  /* nobody else may have it open */
	bool verify; /* open every row, so that a damaged file is found now */
	struct limit limit;
};
int local_open(const struct local_config *c, struct local **out, struct err *err);
void local_close(struct local *l);
const char *local_file(const struct local *l);

#define LOCAL_ANY (-1)

/* Version `number`, 0 the latest: *data is NULL where it is not live, *metadata too where there is no
 * such version. The caller's. */
int local_read(struct local *l, const char *path, int64_t number, struct limit limit, cJSON **data,
	       cJSON **metadata, struct err *err);

/* -EBUSY where the latest is not number `cas`; -EINVAL where the secret requires one. */
int local_write(struct local *l, const char *path, const cJSON *data, int64_t cas,
		struct limit limit, int64_t *number, int64_t *created, struct err *err);

/* The same, where that version is live too: -ENOENT where it is not. */
int local_replace(struct local *l, const char *path, const cJSON *data, int64_t cas,
		  struct limit limit, int64_t *number, int64_t *created, struct err *err);

/* To one version; -ENOENT where there is no such secret, and nothing where there is no such version. */
enum local_deed { LOCAL_DELETE, LOCAL_UNDELETE, LOCAL_DESTROY };
int local_do(struct local *l, const char *path, int64_t number, enum local_deed deed,
	     struct limit limit, struct err *err);
int local_purge(struct local *l, const char *path, struct limit limit, struct err *err);

/* The names in a folder, folders with a slash; the caller's, an empty array where there is none. */
int local_list(struct local *l, const char *path, struct limit limit, cJSON **keys,
	       struct err *err);

/* -ENOENT; the caller's. A change makes a secret without versions where there is none. */
int local_metadata(struct local *l, const char *path, struct limit limit, cJSON **out,
		   struct err *err);
int local_change_metadata(struct local *l, const char *path, const cJSON *patch, struct limit limit,
			  struct err *err);

/* All of it as JSON, {"format": ..., "secrets": {PATH: {"metadata": ..., "versions": {N: DATA}}}}; and
 * the other way, in one transaction: -EEXIST where a path is taken, -EINVAL for what is no export. */
int local_export(struct local *l, struct limit limit, cJSON **out, struct err *err);
int local_import(struct local *l, const cJSON *all, struct limit limit, size_t *count,
		 struct err *err);

/* Of a store that was opened `alone`; see sealed_db_rekey(). */
int local_rekey(struct local *l, const struct store_key *key, struct err *err);

#endif
