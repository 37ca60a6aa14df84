/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KV_H
#define KV_H

#include "base/cancel.h"
#include "kv/kv_children.h"
#include "kv/kv_list.h"
#include "kv/kv_rights.h"
#include "kv/kv_version.h"

/* A store of secrets, behind an interface. Paths: "" is the root; names are separated by single
 * slashes. Calls may wait until their limit; their errors are those of vault/reply.h.
 * Thread-safe. */

struct kv {
	const struct kv_ops *ops;
};

struct kv_ops {
	bool local;	   /* a file of ours */
	bool flat, floats; /* if traits is NULL: KV_FLAT, KV_FLOATS everywhere; "" is the root */
	unsigned (*traits)(struct kv *kv, const char *path);
	void (*refresh)(struct kv *kv); /* asks again for remembered facts; NULL: there are none */

	/* Reads the latest version, also if it is KV_ABSENT or KV_DELETED. */
	int (*read)(struct kv *kv, const char *path, struct limit limit, struct kv_version **out,
		    struct err *err);

	/* Reads version `number`; KV_ABSENT if there is none. NULL: it keeps no versions. */
	int (*read_version)(struct kv *kv, const char *path, int64_t number, struct limit limit,
			    struct kv_version **out, struct err *err);

	/* Writes `next` if the latest version is still `cas` (0: none; KV_ANY: any), and fills in
	 * its number and time. -EBUSY if it is not. Once begun it is not cancelled; if the answer
	 * is lost, reading back decides. */
	int (*write)(struct kv *kv, const char *path, struct kv_version *next, int64_t cas,
		     struct limit limit, struct err *err);

	/* Writes `next`, the result of these changes to live version `cas`, by sending only the
	 * changes. Needs KV_PATCH. -EOPNOTSUPP, and nothing is done, if it cannot express them;
	 * NULL if the store has no such request. */
	int (*patch)(struct kv *kv, const char *path, const struct kv_change *changes, size_t count,
		     struct kv_version *next, int64_t cas, struct limit limit, struct err *err);

	/* Sets and removes marks of fields in one request; see kv_mark.h. `number`: of the secret's
	 * latest version, 0 if there is none. */
	int (*mark)(struct kv *kv, const char *path, const struct kv_remark *marks, size_t n,
		    int64_t number, struct limit limit, struct err *err);

	/* Soft-deletes version `number`; undeletes it; destroys its content for good, and only a
	 * record of it remains. -ENOENT if there is no such secret. purge() removes the secret with
	 * all its versions. */
	int (*delete_version)(struct kv *kv, const char *path, int64_t number, struct limit limit,
			      struct err *err);
	int (*undelete_version)(struct kv *kv, const char *path, int64_t number, struct limit limit,
				struct err *err);
	int (*destroy_version)(struct kv *kv, const char *path, int64_t number, struct limit limit,
			       struct err *err);
	int (*purge)(struct kv *kv, const char *path, struct limit limit, struct err *err);

	/* The folder's entries; an empty list if it does not exist. */
	int (*list)(struct kv *kv, const char *path, struct limit limit, struct kv_list **out,
		    struct err *err);

	/* The folder's entries with the state of each secret's latest version, by one request for
	 * some hundreds. Entries that a policy hides may be missing; ask for them one by one. NULL
	 * if the store has no such listing; -EOPNOTSUPP, from the second time on without asking, if
	 * the server has none; -EACCES if the policy refuses it: then call metadata() for each
	 * secret. */
	int (*children)(struct kv *kv, const char *path, struct limit limit,
			struct kv_children **out, struct err *err);

	/* The secret's metadata as the server sends it: a JSON object, the caller's. */
	int (*metadata)(struct kv *kv, const char *path, struct limit limit, cJSON **out,
			struct err *err);

	/* Changes the members of the metadata that `patch` has; null in its "custom_metadata"
	 * removes a key. Makes a secret without versions if there is none. NULL: it keeps no
	 * metadata. */
	int (*change_metadata)(struct kv *kv, const char *path, const cJSON *patch,
			       struct limit limit, struct err *err);

	/* Our rights to the secret's data; and whether we may do anything with a path or below
	 * it. */
	int (*rights)(struct kv *kv, const char *path, struct limit limit, unsigned *rights,
		      struct err *err);
	int (*reach)(struct kv *kv, const char *path, struct limit limit, enum kv_reach *out,
		     struct err *err);
	const struct kv_rights_ops *known; /* learnt by reach(); NULL: there are no rights */

	void (*free)(struct kv *kv);
};
static inline unsigned kv_traits(struct kv *kv, const char *path)
{
	return kv->ops->traits ? kv->ops->traits(kv, path)
			       : (kv->ops->flat ? KV_FLAT : 0) | (kv->ops->floats ? KV_FLOATS : 0) |
					 (*path ? 0 : KV_ROOT);
}

static inline void kv_free(struct kv *kv)
{
	if (kv)
		kv->ops->free(kv);
}

#endif
