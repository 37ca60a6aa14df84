/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KV_MARK_H
#define KV_MARK_H

#include "base/cancel.h"
#include "base/err.h"
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

struct kv_mark kv_mark_of(const char *name, size_t len);
/* Whether the bytes, as a marked string, would be taken for something else. */
bool kv_mark_misleads(const char *text, size_t len);

/* Whether a text, written over the field of `base`, would be taken for something else by its mark. */
struct kv_version;
struct kv_change;
bool kv_mark_to_remove(const struct kv_version *base, const struct kv_change *c);

/* Sets or removes the mark of one field, where a change of it to `latest` needs that: before the change
 * is written, since a binary value without a mark is taken for text. 0 or -errno of the store. */
struct kv;
int kv_mark_change(struct kv *kv, const char *path, const struct kv_change *c,
		   const struct kv_version *latest, struct limit limit, struct err *err);

/* What sets or removes a mark, for change_metadata(); the caller's. NULL: no memory. */
cJSON *kv_mark_patch(const struct kv_mark *mark, bool set);

/* Text that a JSON string can hold as it is. */
bool kv_is_text(const char *bytes, size_t len);

#endif
