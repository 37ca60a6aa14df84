/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_LOCAL_DOC_H
#define STORE_LOCAL_DOC_H

#include "base/err.h"
#include "base/json.h"

/* The metadata of a secret, as the JSON object that KV version 2 sends, and its changes. Functions
 * that change it return 0, -ENOMEM, or what they say. */

#define LOCAL_VERSIONS 10 /* kept unless max_versions says otherwise, as by the servers */

/* For a secret without versions. NULL: no memory. */
cJSON *local_doc_new(int64_t now);

/* A time later than any in it: `now`, unless the clock was set back. */
int64_t local_doc_time(const cJSON *doc, int64_t now);

/* Adds a version, and removes those beyond max_versions: all below *kept. */
int local_doc_add(cJSON *doc, int64_t now, int64_t *number, int64_t *kept);

/* The row of a version, or NULL; and whether its values may be read. */
cJSON *local_doc_row(const cJSON *doc, int64_t number);
bool local_doc_live(const cJSON *row, int64_t now);

/* The "metadata" that a read of that version returns. NULL: no memory. */
cJSON *local_doc_reading(const cJSON *doc, const cJSON *row, int64_t number);

/* Deletes, undeletes or destroys a version's row; no change if it is in that state already. */
int local_doc_delete(cJSON *row, int64_t now);
int local_doc_undelete(cJSON *row);
int local_doc_destroy(cJSON *row);

/* Applies a change of metadata: sets settings, and merges custom metadata, where null removes. Also
 * -EINVAL with a sentence. */
int local_doc_patch(cJSON *doc, const cJSON *patch, struct err *err);

/* Sets a member of an object; makes a number as a JSON value. */
int local_json_set(cJSON *object, const char *name, cJSON *value);
cJSON *local_json_number(int64_t number);

#endif
