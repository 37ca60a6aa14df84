// SPDX-License-Identifier: Apache-2.0
/* The store of a mount without a server. */

#include "layer/kv_none.h"

#include <errno.h>
#include <stdlib.h>

static int refuse(struct err *err)
{
	return err_set(err, EROFS, "there is no server: env=only");
}

static int none_read(struct kv *kv, const char *path, struct limit limit, struct kv_version **out,
		     struct err *err)
{
	*out = kv_version_empty(KV_ABSENT, 0);
	return *out ? 0 : err_set(err, ENOMEM, "no memory");
}

static int none_write(struct kv *kv, const char *path, struct kv_version *next, int64_t cas,
		      struct limit limit, struct err *err)
{
	return refuse(err);
}

static int none_mark(struct kv *kv, const char *path, const struct kv_remark *marks, size_t n,
		     int64_t number, struct limit limit, struct err *err)
{
	return refuse(err);
}

static int none_change(struct kv *kv, const char *path, int64_t number, struct limit limit,
		       struct err *err)
{
	return refuse(err);
}

static int none_purge(struct kv *kv, const char *path, struct limit limit, struct err *err)
{
	return refuse(err);
}

static int none_list(struct kv *kv, const char *path, struct limit limit, struct kv_list **out,
		     struct err *err)
{
	return kv_list_parse(NULL, out) < 0 ? err_set(err, ENOMEM, "no memory") : 0;
}

static int none_metadata(struct kv *kv, const char *path, struct limit limit, cJSON **out,
			 struct err *err)
{
	return err_set(err, ENOENT, "there is no secret");
}

static int none_rights(struct kv *kv, const char *path, struct limit limit, unsigned *rights,
		       struct err *err)
{
	*rights = KV_READ | KV_LIST;
	return 0;
}

static int none_reach(struct kv *kv, const char *path, struct limit limit, enum kv_reach *out,
		      struct err *err)
{
	*out = KV_REACH_NO;
	return 0;
}

static void none_free(struct kv *kv)
{
	free(kv);
}

static const struct kv_ops none_ops = {
	.flat = true,
	.read = none_read,
	.write = none_write,
	.mark = none_mark,
	.delete_version = none_change,
	.undelete_version = none_change,
	.destroy_version = none_change,
	.purge = none_purge,
	.list = none_list,
	.metadata = none_metadata,
	.rights = none_rights,
	.reach = none_reach,
	.free = none_free,
};

struct kv *kv_none_new(void)
{
	struct kv *kv = calloc(1, sizeof(*kv));

	if (kv)
		kv->ops = &none_ops;
	return kv;
}
