// SPDX-License-Identifier: Apache-2.0
/* "metadata.json": what the server keeps of a secret besides its versions. No version is made by writing
 * it: what is written otherwise than it was seen is set. */

#include "control/files.h"

#include "control/content.h"
#include "edit/metadata.h"
#include "tree/dir_traits.h"

#include <errno.h>

int metadata_json_locked(struct tree *t, struct dir *d, const struct ask *ask, struct content *out,
			 struct err *err)
{
	LOCK_HELD(&t->lock);
	_cleanup_object_ struct object *o = NULL;
	struct tree_json *json;
	int r;

	if (!dir_may_be_secret(d))
		return err_set(err, ENOENT, "there is no secret");
	if (dir_traits(t, d) & KV_FLAT)
		return err_set(err, EOPNOTSUPP, "the engine keeps no metadata");
	r = cache_get(t->config.cache, TREE_METADATA, d->path, ask, &o, NULL, err);
	if (r != 0)
		return r;
	json = container_of(o, struct tree_json, object);
	return json_content(json->json, out, err);
}

int metadata_listed_locked(struct tree *t, struct dir *d, const struct ask *ask, struct err *err)
{
	LOCK_HELD(&t->lock);
	struct content content = {0};
	int r = number_locked(t, d, ask, &content, err);

	object_put(steal(content.object));
	if (r != -ENOENT && r != -EOPNOTSUPP)
		return r;
	if (!(d->kinds & KV_ENTRY_SECRET))
		return -ENOENT;
	r = metadata_json_locked(t, d, ask, &content, err);
	object_put(content.object);
	return r;
}

static int metadata_print(const struct target *at, const struct kv_version *v, struct buf *to)
{
	return at->seen ? control_print_json(container_of(at->seen, struct tree_json, object)->json,
					     to)
			: 0;
}

static int commit_metadata(struct tree *t, const struct target *at, struct buf *text,
			   struct commit *c, const struct request *rq, struct kv_version **out)
{
	int r = metadata_commit(t, at->dir, at->seen, text, rq);

	*out = r == 0 ? object_ref(c->base) : NULL;
	return r;
}

const struct written metadata_written = {
	.max = DOCUMENT_MAX,
	.look_locked = metadata_look_locked,
	.print = metadata_print,
	.commit = commit_metadata,
};
