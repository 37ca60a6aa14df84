// SPDX-License-Identifier: Apache-2.0
/* One attempt at a change: the request that makes the version, with the rights that the token has. */

#include "secrets/send.h"

#include "base/json.h"
#include "kv/kv_write.h"
#include "rule/rule_check.h"
#include "secrets/kinds.h"

#include <errno.h>

static void tell_sending(const struct secrets *s)
{
	if (s->listener)
		s->listener->sending(s->arg);
}

/* A secret without fields is a deleted one: the version that held the last is soft-deleted; where
 * there are no versions, it is gone. */
static int send_emptied(const struct secrets *s, const char *path, const struct kv_version *onto,
			struct limit limit, struct kv_version **out, struct err *err)
{
	int r = 0;

	tell_sending(s);
	if (onto->state == KV_LIVE)
		r = s->kv->ops->delete_version(s->kv, path, onto->number, limit, err);
	if (r < 0)
		return r;
	if (kv_traits(s->kv, path) & KV_FLAT)
		*out = kv_version_empty(KV_ABSENT, 0);
	else
		*out = kv_version_empty(onto->number ? KV_DELETED : KV_ABSENT, onto->number);
	if (!*out)
		return err_set(err, ENOMEM, "no memory");
	(*out)->created = onto->created;
	return 0;
}

/* The number of the latest version of a secret that the token may not read: its metadata may tell. */
static int64_t unseen_number(const struct secrets *s, const char *path,
			     const struct secret_change *c, struct limit limit)
{
	_cleanup_json_ cJSON *metadata = NULL;

	if (c->cas != KV_ANY)
		return c->cas;
	if (s->kv->ops->metadata(s->kv, path, limit, &metadata, NULL) < 0)
		return KV_ANY;
	return json_get_int(metadata, "current_version", KV_ANY);
}

static bool may_patch(const struct secrets *s, const char *path, const struct secret_change *c,
		      const struct kv_version *onto)
{
	_cleanup_object_ struct object *o = NULL;

	if (!s->kv->ops->patch || c->whole || change_is_unseen(c->base) || onto->state != KV_LIVE)
		return false;
	o = s->cache ? cache_peek(s->cache, TREE_RIGHTS, path) : NULL;
	return o && (container_of(o, struct tree_number, object)->number & KV_PATCH);
}

int send_change(const struct secrets *s, const char *path, const struct secret_change *c,
		const struct kv_version *onto, bool first, struct limit limit,
		struct kv_version **out, struct err *err)
{
	_cleanup_object_ struct kv_version *next = NULL;
	struct kv_writing w = {.kv = s->kv, .path = path, .onto = onto};
	int r;

	next = kv_version_apply(onto, c->fields, c->count, c->whole);
	if (!next)
		return err_set(err, ENOMEM, "no memory for a version");
	if (next->count == 0 && !c->whole)
		return send_emptied(s, path, onto, limit, out, err);
	r = rule_check(&s->rules, path, onto, next, err);
	if (r < 0)
		return r;
	w.next = next;
	w.cas = change_is_unseen(c->base) ? unseen_number(s, path, c, limit) : onto->number;
	if (first && may_patch(s, path, c, onto)) {
		w.patch = c->fields;
		w.patch_count = c->count;
	}
	tell_sending(s);
	r = kv_write(&w, limit, err);
	if (r < 0)
		return r;
	*out = steal(next);
	return 0;
}
