/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KV_MARK_H
#define KV_MARK_H

#include "base/json.h"

#include <stdbool.h>
#include <stddef.h>

/* The key "vaultfs.b64.HASH" in custom metadata says that the field of which the name has this hash
 * is base64 of bytes that no JSON string holds. It is believed where the value is canonical base64,
 * and what it stands for is no text. */
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
/* The bytes that a marked string stands for go to `to`, which has room for all of the text; false where
 * it is to be taken as it is. */
bool kv_mark_decode(const char *text, size_t len, char *to, size_t *to_len);
/* Whether the bytes, as a marked string, would be taken for something else. */
bool kv_mark_misleads(const char *text, size_t len);

/* What sets and removes marks, for change_metadata(); the caller's. NULL: no memory. */
cJSON *kv_mark_patch(const struct kv_remark *marks, size_t n);

/* Text that a JSON string can hold as it is. */
bool kv_is_text(const char *bytes, size_t len);

#endif
