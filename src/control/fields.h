/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTROL_FIELDS_H
#define CONTROL_FIELDS_H

#include "node/node_type.h"

/* ".vault/fields": all fields of a secret, also those that an entry of the folder hides. As the calls of
 * a node_type. */
int fields_lookup_locked(struct tree *t, struct node *n, const char *name, const struct ask *ask,
			 struct node **child, uint64_t *ttl, struct err *err);
int fields_list_locked(struct tree *t, struct node *n, const struct ask *ask, struct listing *to,
		       struct err *err);
const char *fields_writes(const struct node *n, unsigned *any, bool *below);

#endif
