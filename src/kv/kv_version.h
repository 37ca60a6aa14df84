/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KV_VERSION_H
#define KV_VERSION_H

#include "base/json.h"
#include "base/object.h"
#include "kv/kv_mark.h"

#include <stdint.h>

/* One version of a secret: its fields and metadata. One block of secret memory, immutable once
 * shared. */

enum kv_type { KV_STRING, KV_NUMBER, KV_TRUE, KV_FALSE, KV_NULL, KV_OBJECT, KV_ARRAY };

struct kv_field {
	const char *name; /* `name_len` bytes, then a NUL; may hold NUL itself */
	size_t name_len;
	const char *text; /* a string's bytes; else compact JSON. `len` bytes, then a NUL */
	size_t len;
	enum kv_type type;
	bool binary; /* a string stored in base64: `text` is decoded */
};

/* "string", "number", "boolean", "null", "object", "array"; the parser returns -EINVAL for anything
 * else. It returns KV_TRUE for a boolean. */
const char *kv_type_name(enum kv_type type);
int kv_type_parse(const char *name, size_t len, enum kv_type *type);

#define KV_ANY (-1) /* instead of a version's number: any version */

enum kv_state {
	KV_ABSENT, /* no such secret, or it has only metadata */
	KV_LIVE,
	KV_DELETED, /* the latest version is deleted; it may be undeleted */
	KV_DESTROYED,
};

struct kv_version {
	struct object object;
	enum kv_state state;
	int64_t number;	       /* the latest version's, dead or alive; 0 for KV_ABSENT */
	int64_t created;       /* ns since 1970; 0: unknown */
	int64_t deletion;      /* ns since 1970, may be in the future; 0: none */
	uint64_t era;	       /* a later era has newer versions; 0: unknown. kv/kv_floors.h */
	struct kv_mark *marks; /* base64 marks in the secret's custom metadata, ascending */
	size_t mark_count;
	size_t count;
	struct kv_field fields[]; /* by name, bytewise; none unless KV_LIVE */
};

/* Whether the secret's custom metadata marks that field as base64; see kv/kv_mark.h. */
bool kv_version_marked(const struct kv_version *v, const char *name, size_t len);

/* A change to one field. */
struct kv_change {
	const char *name;
	size_t name_len;
	bool remove;
	enum kv_type type;
	bool binary; /* store it in base64 */
	bool stored; /* `text` is in a document's form: see kv_change_read() */
	const char *text;
	size_t len;
};

/* A document shows a binary value in base64. If a `stored` change has that very string, it becomes
 * a change to the bytes of the field of `base`, from which `c` then borrows. */
int kv_change_read(struct kv_change *c, const struct kv_version *base);

/* The fields of a document as v->count changes, which borrow from it and from `base`; the caller
 * frees them. NULL: no memory. */
struct kv_change *kv_version_changes(const struct kv_version *v, const struct kv_version *base);

/* From the objects "data" and "metadata" of a KV version 2 reply; either may be NULL. 0, -ENOMEM,
 * or -EIO if it is no secret. */
int kv_version_parse(const cJSON *data, const cJSON *metadata, struct kv_version **out);

/* Version `number` without its fields, from a secret's metadata as KV version 2 sends it. 0, -ENOENT
 * or -ENOMEM. */
int kv_version_from_metadata(const cJSON *metadata, int64_t number, struct kv_version **out);

/* Applies `n` changes in order to `base`. The result is not written yet; it has base's number and
 * era, and the marks that it needs. `whole`: it has no other fields than the changes set. NULL: no
 * memory. */
struct kv_version *kv_version_apply(const struct kv_version *base, const struct kv_change *changes,
				    size_t n, bool whole);

/* A version without fields, with the marks of a secret's metadata. NULL: no memory. */
struct kv_version *kv_version_marks(const cJSON *metadata);

/* A version without fields. */
struct kv_version *kv_version_empty(enum kv_state state, int64_t number);

/* The field of this name, or NULL. Borrowed from `v`. */
const struct kv_field *kv_version_field(const struct kv_version *v, const char *name, size_t len);

/* The stored form of the fields as a JSON object, or of one field. NULL: no memory. */
cJSON *kv_version_json(const struct kv_version *v);
cJSON *kv_field_json(const struct kv_field *f);

/* The stored form as one raw item: the text of the object, without a tree. NULL: no memory. */
cJSON *kv_version_raw(const struct kv_version *v);

/* The same version in the same state: a reader would see no difference. */
bool kv_version_same(const struct kv_version *a, const struct kv_version *b);

/* Equal fields and values; the numbers may differ. */
bool kv_version_equal(const struct kv_version *a, const struct kv_version *b);

/* Equal types and texts; NULL stands for a missing field. */
bool kv_field_equal(const struct kv_field *a, const struct kv_field *b);

#endif
