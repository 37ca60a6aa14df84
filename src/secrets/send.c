// SPDX-License-Identifier: Apache-2.0
/* One attempt at a change: the request that makes the version, with the rights that the token has. */

#include "secrets/send.h"

#include "base/clock.h"
#include "base/json.h"
#include "kv/kv_write.h"
#include "rule/rule_check.h"
#include "secrets/kinds.h"

#include <errno.h>
#include <string.h>

struct limit sending_limit(const struct secrets *s, struct limit limit)
{
	if (s->timeout)
		limit.deadline = clock_mono() + s->timeout;
	return limit;
}

static void tell_sending(const struct secrets *s)
{
	if (s->listener)
		s->listener->sending(s->arg);
}

/* A secret without fields is a deleted one: the version that held the last is soft-deleted; where
 * there are no versions, it is gone. */
static int send_emptied(const struct sending *a, const struct kv_version *onto,
			struct kv_version **out, struct err *err)
{
	struct kv *kv = a->s->kv;
	int r = 0;

	tell_sending(a->s);
	if (onto->state == KV_LIVE)
		r = kv->ops->delete_version(kv, a->path, onto->number,
					    sending_limit(a->s, a->limit), err);
	if (r < 0)
		return r;
	if (kv_traits(kv, a->path) & KV_FLAT)
		*out = kv_version_empty(KV_ABSENT, 0);
	else
		*out = kv_version_empty(onto->number ? KV_DELETED : KV_ABSENT, onto->number);
	if (!*out)
		return err_set(err, ENOMEM, "no memory");
	(*out)->created = onto->created;
	return 0;
}

/* The number of the latest version of a secret that the token may not read: its metadata may tell. */
static int64_t unseen_number(const struct sending *a)
{
	_cleanup_json_ cJSON *metadata = NULL;
	struct kv *kv = a->s->kv;

	if (a->c->cas != KV_ANY)
		return a->c->cas;
	if (kv->ops->metadata(kv, a->path, sending_limit(a->s, a->limit), &metadata, NULL) < 0)
		return KV_ANY;
	return json_get_int(metadata, "current_version", KV_ANY);
}

/* Whether the token is known to have the capability `patch`. *known: whether its rights are. */
static bool has_patch(const struct sending *a, bool *known)
{
	_cleanup_object_ struct object *o =
		a->s->cache ? cache_peek(a->s->cache, TREE_RIGHTS, a->path) : NULL;

	*known = o != NULL;
	return o && (container_of(o, struct tree_number, object)->number & KV_PATCH);
}

/* Lets a patch carry what it can. It goes first where the token is known to have `patch`; later, and
 * for a whole secret, only where the version itself is refused. `between` is the caller's to free. */
static void allow_patch(const struct sending *a, struct kv_writing *w, struct kv_change **between)
{
	bool known, patches = has_patch(a, &known);

	if (!a->s->kv->ops->patch || a->unseen || w->onto->state != KV_LIVE || (known && !patches))
		return;
	w->patch = a->c->fields;
	w->patch_count = a->c->count;
	w->patch_last = !known || a->attempt > 1;
	if (a->c->whole) {
		w->patch = *between = change_between(w->onto, w->next, &w->patch_count);
		w->patch_last = true;
	}
}

struct kv_version *sending_apply(const struct secret_change *c, const struct kv_version *onto)
{
	_cleanup_free_ struct kv_change *fields = calloc(c->count + 1, sizeof(*fields));

	if (!fields)
		return NULL;
	if (c->count)
		memcpy(fields, c->fields, c->count * sizeof(*fields));
	for (size_t i = 0; i < c->count; i++)
		if (kv_change_read(&fields[i], onto) < 0)
			return NULL;
	return kv_version_apply(onto, fields, c->count, c->whole);
}

int sending_try(const struct sending *a, const struct kv_version *onto, struct secret_outcome *out,
		struct err *err)
{
	_cleanup_object_ struct kv_version *next = NULL;
	_cleanup_free_ struct kv_change *between = NULL;
	struct kv_writing w = {.kv = a->s->kv, .path = a->path, .onto = onto};
	int r;

	if (a->c->deletes)
		return send_emptied(a, onto, &out->made, err);
	next = sending_apply(a->c, onto);
	if (!next)
		return err_set(err, ENOMEM, "no memory for a version");
	if (change_empties(a->c, next))
		return send_emptied(a, onto, &out->made, err);
	r = rule_check(&a->s->rules, a->path, onto, next, err);
	out->forbidden = r < 0;
	if (r < 0)
		return r;
	w.next = next;
	w.cas = a->unseen ? unseen_number(a) : onto->number;
	allow_patch(a, &w, &between);
	tell_sending(a->s);
	r = kv_write(&w, sending_limit(a->s, a->limit), err);
	if (r == 0)
		out->made = steal(next);
	return r;
}
