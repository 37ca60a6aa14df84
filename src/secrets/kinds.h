/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SECRETS_KINDS_H
#define SECRETS_KINDS_H

#include "base/object.h"

/* The kinds of object that a mount keeps in its cache, by the path of the secret or folder. */
enum {
	TREE_DATA, /* struct kv_version: the latest */
	TREE_LIST,
	TREE_METADATA,
	TREE_RIGHTS,
	TREE_REACH,
	TREE_VERSION,
	TREE_STATUS,
	TREE_ENTRY_RIGHTS,
	TREE_KINDS
};

/* The object of TREE_RIGHTS and TREE_REACH. */
struct tree_number {
	struct object object;
	unsigned number;
};

#endif
