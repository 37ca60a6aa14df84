// SPDX-License-Identifier: Apache-2.0
/* One change of a secret: one check-and-set write.
 *
 *      base + change --> write with cas = base's number --> a new version
 *                           |
 *                           | somebody else was first
 *                           v
 *                        read the latest; has one of our fields changed since base?
 *                           |                          |
 *                           | no, or we replace it     | yes, and we had built on it
 *                           v                          v
 *                        latest + change, again      EBUSY, nothing written
 */

#include "secrets/secrets.h"

#include "base/clock.h"
#include "base/metric.h"
#include "kv/kv_write.h"
#include "rule/rule_check.h"
#include "secrets/kinds.h"
#include "secrets/send.h"

#include <errno.h>

int secrets_look(const struct secrets *s, const char *path, struct limit limit,
		 struct kv_version **out, struct err *err)
{
	uint64_t mark = s->cache ? cache_mark(s->cache) : 0;
	int r = s->kv->ops->read(s->kv, path, sending_limit(s, limit), out, err);

	if (r == 0 && s->listener)
		s->listener->read(s->arg, *out, mark);
	return r;
}

int secrets_check(const struct secrets *s, const char *path, const struct secret_change *c,
		  bool *forbidden, struct err *err)
{
	_cleanup_object_ struct kv_version *next = sending_apply(c, c->base);
	int r;

	*forbidden = false;
	if (!next)
		return err_set(err, ENOMEM, "no memory for a version");
	if (change_empties(c, next))
		return 0;
	r = kv_write_check(s->kv, path, c->base, next, err);
	if (r < 0)
		return r;
	r = rule_check(&s->rules, path, c->base, next, err);
	*forbidden = r < 0;
	return r;
}

/* The latest version; or a stand-in, where the token may replace it as a whole and not read it. */
static int look_or_not(const struct secrets *s, const char *path, const struct secret_change *c,
		       struct limit limit, struct kv_version **onto, struct err *err)
{
	int r = secrets_look(s, path, limit, onto, err);

	if (r != -EACCES || !c->whole)
		return r;
	*onto = kv_version_empty(KV_ABSENT, -1);
	return *onto ? 0 : err_set(err, ENOMEM, "no memory");
}

/* The version that the change is made on first: the base, or what is known to have come since. */
static int first_onto(const struct secrets *s, const char *path, const struct secret_change *c,
		      struct limit limit, struct kv_version **onto, struct err *err)
{
	_cleanup_object_ struct object *o = NULL;
	struct kv_version *known;
	int r;

	if (!c->base) {
		r = look_or_not(s, path, c, limit, onto, err);
		return r < 0 ? r : change_check_merge(c, *onto, s->strict, err);
	}
	o = s->cache ? cache_peek(s->cache, TREE_DATA, path) : NULL;
	known = o ? container_of(o, struct kv_version, object) : NULL;
	if (!known || known->number < c->base->number || kv_version_same(known, c->base))
		known = c->base;
	*onto = object_ref(known);
	return change_check_merge(c, known, s->strict, err);
}

/* The version as the server has it, in the place of *made. */
static void read_back(const struct secrets *s, const char *path, uint64_t deadline,
		      struct kv_version **made)
{
	struct limit limit = {.deadline = deadline};
	struct kv_version *now = NULL;

	if (s->kv->ops->read(s->kv, path, limit, &now, NULL) < 0)
		return;
	if (now->number == (*made)->number) {
		object_put(*made);
		*made = now;
	} else {
		object_put(now);
	}
}

/* After an attempt that met somebody else's version: *onto becomes that. */
static int follow(const struct sending *a, struct kv_version **onto, struct secret_outcome *out,
		  struct err *err)
{
	struct kv_version *latest = NULL;
	int r;

	out->overtaken = clock_mono() >= a->limit.deadline;
	if (out->overtaken)
		return err_set(err, EBUSY, "others keep changing %s: nothing was written", a->path);
	/* Those who write it are all in this place: they come back at different times. */
	if (a->attempt > 1)
		cancel_sleep(NULL, clock_mono() + clock_jitter(a->attempt * 2 * NS_PER_MS));
	r = secrets_look(a->s, a->path, a->limit, &latest, err);
	if (r < 0)
		return r;
	metric_count(METRIC_COMMIT_RETRIES, 0);
	object_put(*onto);
	*onto = latest;
	return change_check_merge(a->c, latest, a->s->strict, err);
}

int secrets_change(const struct secrets *s, const char *path, const struct secret_change *c,
		   struct limit limit, struct secret_outcome *out, struct err *err)
{
	_cleanup_object_ struct kv_version *onto = NULL;
	struct sending a = {.s = s, .path = path, .c = c, .limit = limit};
	int r;

	*out = (struct secret_outcome){0};
	r = first_onto(s, path, c, limit, &onto, err);
	a.unseen = r == 0 && change_is_unseen(c->base ? c->base : onto);
	for (a.attempt = 1; r == 0; a.attempt++) {
		r = sending_try(&a, onto, out, err);
		if (r != -EBUSY || c->cas != KV_ANY || a.unseen)
			break;
		r = follow(&a, &onto, out, err);
	}
	out->latest = onto ? onto->number : KV_ANY;
	if (r < 0)
		return r;
	out->unseen = a.unseen;
	out->before = onto->state;
	out->merged = a.attempt > 1 || (c->base && !a.unseen && !kv_version_same(onto, c->base));
	/* Readers are shown it as the server keeps it. */
	if (s->cache && !a.unseen && change_is_respelt(c))
		read_back(s, path, limit.deadline, &out->made);
	return 0;
}

int secrets_undelete(const struct secrets *s, const char *path, int64_t number, struct limit limit,
		     struct err *err)
{
	return s->kv->ops->undelete_version(s->kv, path, number, sending_limit(s, limit), err);
}

int secrets_destroy(const struct secrets *s, const char *path, int64_t number, struct limit limit,
		    struct err *err)
{
	return s->kv->ops->destroy_version(s->kv, path, number, sending_limit(s, limit), err);
}

int secrets_purge(const struct secrets *s, const char *path, struct limit limit, struct err *err)
{
	return s->kv->ops->purge(s->kv, path, sending_limit(s, limit), err);
}

int secrets_describe(const struct secrets *s, const char *path, const cJSON *patch,
		     struct limit limit, struct err *err)
{
	if (!s->kv->ops->change_metadata)
		return err_set(err, EOPNOTSUPP, "this engine keeps no metadata");
	return s->kv->ops->change_metadata(s->kv, path, patch, sending_limit(s, limit), err);
}
