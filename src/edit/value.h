/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EDIT_VALUE_H
#define EDIT_VALUE_H

#include "base/buf.h"
#include "base/err.h"
#include "tree/tree.h"
#include "kv/kv_version.h"

/* The bytes of a file as a value of change->name, on top of `base`: of the type that the field has had
 * where they parse as that, one newline at the end aside, and would be read back as they are from a
 * store of such `traits` (kv/kv_rights.h); else a string, which is stored in base64 where they are no
 * text. Fills the rest of `change`, which borrows from `text`. 0; -EILSEQ for bytes
 * that are refused; -EFBIG for what is longer than max_size when it is stored. */
int value_from_bytes(const struct tree_config *config, struct buf *text,
		     const struct kv_version *base, unsigned traits, struct kv_change *change,
		     struct err *err);

/* The same text as a value of another type: 0, or -EINVAL where it is none. */
int value_as_type(enum kv_type type, struct buf *text, struct kv_change *change, struct err *err);

/* The length of the bytes as a JSON string, or, where they are no text, in base64. */
size_t value_stored_size(const char *bytes, size_t len);

#endif
