/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KV_WRITE_H
#define KV_WRITE_H

#include "kv/kv.h"

/* A new version of a secret on its way into a store, from a mount or a command. All of them pass
 * through here, so that a value reads back as it was written. */
struct kv_writing {
	struct kv *kv;
	const char *path;
	const struct kv_version *onto; /* the base of `next`; number -1: unknown */
	struct kv_version *next;
	int64_t cas; /* as of kv->ops->write() */

	/* The changes that turn `onto` into `next`, if a patch may carry them; else NULL. */
	const struct kv_change *patch;
	size_t patch_count;
	bool patch_last; /* only if writing the whole version failed with EACCES */
};

/* Checks, adjusts the marks for the new values, and writes. 0, an error of kv_write_check(), or the
 * store's. After a refused write `onto` is as readable as before. */
int kv_write(const struct kv_writing *w, struct limit limit, struct err *err);

/* Whether the store can keep `next`: 0; -EINVAL for a number that is not in `onto` and that the
 * store would change; -EILSEQ for bytes that are not text and cannot be marked. */
int kv_write_check(struct kv *kv, const char *path, const struct kv_version *onto,
		   const struct kv_version *next, struct err *err);

/* Whether a store with KV_FLOATS returns the number as it is written: it keeps a double, and prints
 * it as Go's encoding/json does. The second checks all numbers of a JSON text. */
bool kv_number_kept(const char *text, size_t len);
bool kv_numbers_kept(const char *json, size_t len);

#endif
