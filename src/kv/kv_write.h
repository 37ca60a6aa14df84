/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KV_WRITE_H
#define KV_WRITE_H

#include "kv/kv.h"

/* A new version of a secret, on its way into a store: by a mount, or by a command. All of them pass
 * here, since what is written has to be read back as it was. */
struct kv_writing {
	struct kv *kv;
	const char *path;
	const struct kv_version
		*onto; /* what `next` was made from; with number -1 it is not known */
	struct kv_version *next;
	int64_t cas; /* as of kv->ops->write() */

	/* The changes that turn `onto` into `next`, where a patch may carry them; else NULL. */
	const struct kv_change *patch;
	size_t patch_count;
	bool patch_last; /* only after the whole version was refused with EACCES */
};

/* Checks, sets and removes the marks that the new values need, and writes. 0, as kv_write_check(), or
 * what the store says. A write that is refused leaves `onto` as readable as it was. */
int kv_write(const struct kv_writing *w, struct limit limit, struct err *err);

/* Whether `next` could be kept there: 0; -EINVAL for a number of it that is not in `onto`, and that the
 * store would turn into another; -EILSEQ for bytes that are no text, where they cannot be marked. */
int kv_write_check(struct kv *kv, const char *path, const struct kv_version *onto,
		   const struct kv_version *next, struct err *err);

/* Whether a store of KV_FLOATS gives the number back as it is spelt: it keeps a double, and writes that
 * as Go's encoding/json does. And whether it does so with all numbers of a JSON text. */
bool kv_number_kept(const char *text, size_t len);
bool kv_numbers_kept(const char *json, size_t len);

#endif
