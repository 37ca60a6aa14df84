/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KV_MARK_H
#define KV_MARK_H

#include "base/json.h"

#include <stdbool.h>
#include <stddef.h>

/* The key "vaultfs.b64.HASH" in custom metadata marks the field whose name has this hash: it is
 * base64 of bytes that no JSON string can hold. The mark is believed if the value is canonical
 * base64 of bytes that are not text. */
#define KV_MARK_PREFIX "vaultfs.b64."
struct kv_mark {
	char hash[33]; /* of SHA-256, the first 16 bytes in hexadecimal */
};

/* A mark that is set, or removed. */
struct kv_remark {
	struct kv_mark mark;
	bool set;
};

struct kv_mark kv_mark_of(const char *name, size_t len);
/* Decodes a marked string to `to`, which has room for all of the text; false if it is to be taken
 * literally. */
bool kv_mark_decode(const char *text, size_t len, char *to, size_t *to_len);
/* Whether the bytes would be misread if their field were marked. */
bool kv_mark_misleads(const char *text, size_t len);

/* The patch for change_metadata() that sets and removes marks; the caller's. NULL: no memory. */
cJSON *kv_mark_patch(const struct kv_remark *marks, size_t n);

/* Whether a JSON string can hold the text unchanged. */
bool kv_is_text(const char *bytes, size_t len);

#endif
