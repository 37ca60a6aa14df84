/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TREE_DIR_TRAITS_H
#define TREE_DIR_TRAITS_H

#include "tree/dir.h"

/* What holds for a directory, whatever is in it: KV_FLAT and the rest of kv/kv_rights.h; whether it
 * can be a secret at all. */
static inline unsigned dir_traits(const struct tree *t, const struct dir *d)
{
	return kv_traits(t->config.kv, d->path);
}

static inline bool dir_holds_fields(const struct tree *t, const struct dir *d)
{
	return !(dir_traits(t, d) & (KV_ROOT | KV_OUTSIDE));
}

#endif
