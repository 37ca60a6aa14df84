/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SECRETS_SECRET_CHANGE_H
#define SECRETS_SECRET_CHANGE_H

#include "base/err.h"
#include "kv/kv_version.h"

/* One change to one secret, on its way to be one version of it. A plain value; all of it is borrowed. */
struct secret_change {
	struct kv_version *base; /* the version that the change was made from; NULL: none was looked
				  * at, and the change fits any */
	const struct kv_change *fields;
	size_t count;
	bool whole;	 /* the fields are all that the secret will hold */
	bool deletes;	 /* the latest version is deleted; there are no fields */
	bool blind;	 /* the change does not depend on the old values of its fields, */
	size_t built_on; /* except for the first `built_on` of them */
	int64_t cas;	 /* the number that the latest version must have; KV_ANY: any */
};

/* The base of a secret that the token may replace as a whole, but not read. */
static inline bool change_is_unseen(const struct kv_version *base)
{
	return base->number < 0;
}

/* Whether `latest` may take the place of the base: 0; -EBUSY where somebody else has changed what the
 * change was built on. With `strict` it is built on everything that it changes. */
int change_check_merge(const struct secret_change *c, const struct kv_version *latest, bool strict,
		       struct err *err);

/* The changes that turn one version into another: *count of them, which borrow from both; with `from`
 * NULL all fields of the other. The caller's to free. NULL: no memory. */
struct kv_change *change_between(const struct kv_version *from, const struct kv_version *to,
				 size_t *count);

/* Whether the change has removed the last fields, so that `next` is no version, but the end of one. */
bool change_empties(const struct secret_change *c, const struct kv_version *next);

/* Whether a server may spell a value of it differently: it keeps numbers as floating point. */
bool change_is_respelt(const struct secret_change *c);

#endif
