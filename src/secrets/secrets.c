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
#include "rule/rule_check.h"
#include "secrets/kinds.h"
#include "secrets/send.h"

#include <errno.h>

int secrets_look(const struct secrets *s, const char *path, struct limit limit,
		 struct kv_version **out, struct err *err)
{
	uint64_t mark = s->cache ? cache_mark(s->cache) : 0;
	int r = s->kv->ops->read(s->kv, path, limit, out, err);

	if (r == 0 && s->listener)
		s->listener->read(s->arg, *out, mark);
	return r;
}

int secrets_check(const struct secrets *s, const char *path, const struct secret_change *c,
		  struct err *err)
{
	_cleanup_object_ struct kv_version *next =
		kv_version_apply(c->base, c->fields, c->count, c->whole);

	if (!next)
		return err_set(err, ENOMEM, "no memory for a version");
	if (next->count == 0 && !c->whole)
		return 0;
	return rule_check(&s->rules, path, c->base, next, err);
}

/* The version that the change is made on first: the base, or what is known to have come since. */
static int first_onto(const struct secrets *s, const char *path, const struct secret_change *c,
		      struct kv_version **onto, struct err *err)
{
	_cleanup_object_ struct object *o = s->cache ? cache_peek(s->cache, TREE_DATA, path) : NULL;
	struct kv_version *known = o ? container_of(o, struct kv_version, object) : NULL;

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

/* After attempt number `attempt` met somebody else's version: *onto becomes that. */
static int follow(const struct secrets *s, const char *path, const struct secret_change *c,
		  unsigned attempt, struct limit limit, struct kv_version **onto, struct err *err)
{
	struct kv_version *latest = NULL;
	int r;

	/* Those who write it are all in this place: they come back at different times. */
	if (attempt > 1)
		cancel_sleep(NULL, clock_mono() + clock_jitter(attempt * 2 * NS_PER_MS));
	r = secrets_look(s, path, limit, &latest, err);
	if (r < 0)
		return r;
	metric_count(METRIC_COMMIT_RETRIES, 0);
	object_put(*onto);
	*onto = latest;
	return change_check_merge(c, latest, s->strict, err);
}

int secrets_change(const struct secrets *s, const char *path, const struct secret_change *c,
		   struct limit limit, struct secret_outcome *out, struct err *err)
{
	_cleanup_object_ struct kv_version *onto = NULL;
	bool unseen = change_is_unseen(c->base);
	int r = first_onto(s, path, c, &onto, err);

	*out = (struct secret_outcome){.unseen = unseen};
	for (unsigned attempt = 1; r == 0; attempt++) {
		r = send_change(s, path, c, onto, attempt == 1, limit, &out->made, err);
		if (r != -EBUSY || c->cas != KV_ANY || unseen)
			break;
		r = follow(s, path, c, attempt, limit, &onto, err);
	}
	if (r < 0)
		return r;
	out->before = onto->state;
	out->merged = !unseen && !kv_version_same(onto, c->base);
	if (!unseen && change_is_respelt(c))
		read_back(s, path, limit.deadline, &out->made);
	return 0;
}
