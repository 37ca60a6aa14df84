/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_LOCAL_DOC_H
#define STORE_LOCAL_DOC_H

#include "base/err.h"
#include "base/json.h"

/* What is known of a secret besides its values: the same JSON object that KV version 2 sends for
 * metadata, and how it changes. Functions that change it return 0, -ENOMEM or as they say. */

#define LOCAL_VERSIONS 10 /* that are kept unless max_versions says otherwise, as the servers do */

/* Of a secret without versions. NULL: no memory. */
cJSON *local_doc_new(int64_t now);

/* A time later than any in it: `now`, if the clock was not set back. */
int64_t local_doc_time(const cJSON *doc, int64_t now);

/* Adds a version, and takes out those that are too many: all below *kept. */
int local_doc_add(cJSON *doc, int64_t now, int64_t *number, int64_t *kept);

/* The row of a version, NULL where there is none; whether its values may be read. */
cJSON *local_doc_row(const cJSON *doc, int64_t number);
bool local_doc_live(const cJSON *row, int64_t now);

/* What a read of that version says of it, as the server's "metadata". NULL: no memory. */
cJSON *local_doc_reading(const cJSON *doc, const cJSON *row, int64_t number);

/* Deletes or undeletes a row, which changes nothing where it is so already; destroys it. */
int local_doc_delete(cJSON *row, int64_t now);
int local_doc_undelete(cJSON *row);
int local_doc_destroy(cJSON *row);

/* What a change of metadata does: settings are set; custom metadata is merged, null taking out. Also
 * -EINVAL with a sentence. */
int local_doc_patch(cJSON *doc, const cJSON *patch, struct err *err);

/* A number as a JSON value, an object's member set to one. */
int local_json_set(cJSON *object, const char *name, cJSON *value);
cJSON *local_json_number(int64_t number);

#endif
