/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KV_H
#define KV_H

#include "base/cancel.h"
#include "kv/kv_children.h"
#include "kv/kv_list.h"
#include "kv/kv_rights.h"
#include "kv/kv_version.h"

/* A store of secrets, whatever is behind it. Paths: "" the root, names parted by single slashes. Calls
 * may wait, until their limit; their errors are those of vault/reply.h. Thread-safe. */

struct kv {
	const struct kv_ops *ops;
};

struct kv_ops {
	bool local;	   /* a file of ours */
	bool flat, floats; /* KV_FLAT, KV_FLOATS for all, and "" the root, where traits is NULL */
	unsigned (*traits)(struct kv *kv, const char *path);
	void (*refresh)(struct kv *kv); /* asks anew for what it remembers; NULL: nothing */

	/* The latest version, also where it is KV_ABSENT or KV_DELETED. */
	int (*read)(struct kv *kv, const char *path, struct limit limit, struct kv_version **out,
		    struct err *err);

	/* Version `number`, which is KV_ABSENT where there is none. NULL: it keeps no versions. */
	int (*read_version)(struct kv *kv, const char *path, int64_t number, struct limit limit,
			    struct kv_version **out, struct err *err);

	/* Writes `next`, where the latest version is still number `cas` (0: none; KV_ANY: whatever
	 * it is), and fills in its number and time. -EBUSY where it is not. Once begun it is not
	 * cancelled; an answer that was lost is settled by reading back. */
	int (*write)(struct kv *kv, const char *path, struct kv_version *next, int64_t cas,
		     struct limit limit, struct err *err);

	/* The same, where `next` is what these changes make of live version `cas`: only they are
	 * sent. Needs KV_PATCH. -EOPNOTSUPP, nothing being done, for what it cannot say; NULL where
	 * the store has no such request. */
	int (*patch)(struct kv *kv, const char *path, const struct kv_change *changes, size_t count,
		     struct kv_version *next, int64_t cas, struct limit limit, struct err *err);

	/* Sets and removes marks of fields, all at once; see kv_mark.h. `number`: of the secret's latest
	 * version, 0 where there is none. */
	int (*mark)(struct kv *kv, const char *path, const struct kv_remark *marks, size_t n,
		    int64_t number, struct limit limit, struct err *err);

	/* Soft-deletes version `number`; takes that back; or removes its content for good, so that only
	 * that it was there stays known. -ENOENT where there is no such secret. Or (purge) removes the
	 * secret with all its versions. */
	int (*delete_version)(struct kv *kv, const char *path, int64_t number, struct limit limit,
			      struct err *err);
	int (*undelete_version)(struct kv *kv, const char *path, int64_t number, struct limit limit,
				struct err *err);
	int (*destroy_version)(struct kv *kv, const char *path, int64_t number, struct limit limit,
			       struct err *err);
	int (*purge)(struct kv *kv, const char *path, struct limit limit, struct err *err);

	/* The folder's entries; none for one that is not there. */
	int (*list)(struct kv *kv, const char *path, struct limit limit, struct kv_list **out,
		    struct err *err);

	/* The same with what each secret's latest version is, by a request for some hundreds of them.
	 * What a policy hides may be left out, and is to be asked for by itself. NULL where the store has
	 * no such listing; -EOPNOTSUPP, from the second time on at once, where the server has none;
	 * -EACCES where the policy refuses it: then metadata() of each secret has to do. */
	int (*children)(struct kv *kv, const char *path, struct limit limit,
			struct kv_children **out, struct err *err);

	/* The secret's metadata as the server sends it: a JSON object. The caller's. */
	int (*metadata)(struct kv *kv, const char *path, struct limit limit, cJSON **out,
			struct err *err);

	/* Changes what `patch` holds of what metadata() yields, null in its "custom_metadata" for what
	 * is to go; a secret without versions where there is none. NULL: it keeps none. */
	int (*change_metadata)(struct kv *kv, const char *path, const cJSON *patch,
			       struct limit limit, struct err *err);

	/* What we may do with the secret's data; whether we may do anything with a path or below. */
	int (*rights)(struct kv *kv, const char *path, struct limit limit, unsigned *rights,
		      struct err *err);
	int (*reach)(struct kv *kv, const char *path, struct limit limit, enum kv_reach *out,
		     struct err *err);
	const struct kv_rights_ops *known; /* what reach() has learnt; NULL: there are no rights */

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
