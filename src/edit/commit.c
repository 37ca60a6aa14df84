// SPDX-License-Identifier: Apache-2.0
/* Commits: one check-and-set write each.
 *
 *      base + change --> write with cas = base's number --> a new version, shown
 *                           |
 *                           | somebody else was first
 *                           v
 *                        read the latest; has one of our fields changed since base?
 *                           |                          |
 *                           | no, or we replace it     | yes, and we had built on it
 *                           v                          v
 *                        latest + change, again      EBUSY, nothing written
 */

#include "edit/commit.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "edit/change.h"
#include "kv/kv_write.h"
#include "rule/rule_check.h"
#include "tree/dir_traits.h"

#include <errno.h>
#include <inttypes.h>

int commit_begin_locked(struct tree *t, struct dir *d, const struct ask *ask)
{
	if (d->changing)
		return waitq_park_locked(&d->changes, ask);
	d->changing = true;
	node_use_locked(&d->node);
	return 0;
}

void commit_end(struct tree *t, struct dir *d)
{
	struct waitq next;

	pthread_mutex_lock(&t->lock);
	d->changing = false;
	secret_changed_locked(t, d);
	next = waitq_take_locked(&d->changes);
	node_unuse_locked(t, &d->node);
	pthread_mutex_unlock(&t->lock);
	waitq_wake(next);
}

/* `mark` is of before it was asked for. */
static void learn(struct tree *t, struct dir *d, struct kv_version *v, enum secret_origin origin,
		  uint64_t mark)
{
	LOCK_SCOPE(&t->lock);

	secret_learn_locked(t, d, v, origin, mark);
	secret_wait_drained_locked(t, d);
}

int commit_read_latest(struct tree *t, struct dir *d, const struct request *rq,
		       enum secret_origin origin, struct kv_version **out)
{
	uint64_t mark = cache_mark(t->config.cache);
	int r = t->config.kv->ops->read(t->config.kv, d->path, rq->limit, out, rq->err);

	if (r < 0)
		return r;
	learn(t, d, *out, origin, mark);
	return 0;
}

int commit_permit_locked(struct tree *t, const struct dir *d, unsigned right,
			 const struct request *rq)
{
	_cleanup_object_ struct object *o = NULL;
	unsigned number;
	int r = cache_get(t->config.cache, TREE_RIGHTS, d->path, rq->ask, &o, NULL, rq->err);

	if (r != 0)
		return r;
	number = container_of(o, struct tree_number, object)->number;
	/* A patch is an update, of less. */
	if (right == KV_UPDATE && (number & KV_PATCH))
		number |= KV_UPDATE;
	if ((number & right) == right)
		return 0;
	return err_set(rq->err, EACCES, "the token's policies do not allow to %s %s",
		       right == KV_CREATE ? "create" : "change", d->path);
}

/* Whether the change may go on top of `latest`. */
static int check_merge(const struct tree *t, const struct commit *c,
		       const struct kv_version *latest, struct err *err)
{
	if (c->cas != NO_CAS && !change_is_unseen(latest) && latest->number != c->cas)
		return err_set(err, EBUSY,
			       "check-and-set: the latest version is %" PRId64 ", not %" PRId64,
			       latest->number, c->cas);
	if (c->whole && (!c->blind || t->config.strict) && !kv_version_same(c->base, latest))
		return err_set(err, EBUSY,
			       "the secret was changed meanwhile: the change was made from version "
			       "%" PRId64 ", the latest is %" PRId64,
			       c->base->number, latest->number);
	for (size_t i = 0; i < c->count && !c->whole; i++) {
		const struct kv_change *change = &c->changes[i];

		if (kv_field_equal(kv_version_field(c->base, change->name, change->name_len),
				   kv_version_field(latest, change->name, change->name_len)))
			continue;
		if (!c->blind || i < c->built_on || t->config.strict)
			return err_set(err, EBUSY,
				       "the field was changed meanwhile: the change was made from "
				       "version %" PRId64 ", the latest is %" PRId64,
				       c->base->number, latest->number);
	}
	return 0;
}

/* The number that the user has armed is spent by a commit that is sent, whatever comes of it. */
static void spend_cas(struct tree *t, const struct commit *c, const struct request *rq)
{
	LOCK_SCOPE(&t->lock);

	if (c->cas != NO_CAS && cas_armed_locked(c->dir, rq->caller->uid) == c->cas)
		cas_disarm_locked(c->dir, rq->caller->uid);
}

/* A secret without fields is a deleted one: the version that held the last is soft-deleted; where
 * there are no versions, it is gone. */
static int write_emptied(struct tree *t, const struct commit *c, const struct kv_version *onto,
			 const struct request *rq, struct kv_version **out)
{
	struct kv *kv = t->config.kv;
	int r = 0;

	spend_cas(t, c, rq);
	if (onto->state == KV_LIVE)
		r = kv->ops->delete_version(kv, c->dir->path, onto->number, rq->limit, rq->err);
	if (r < 0)
		return r;
	if (dir_traits(t, c->dir) & KV_FLAT)
		*out = kv_version_empty(KV_ABSENT, 0);
	else
		*out = kv_version_empty(onto->number ? KV_DELETED : KV_ABSENT, onto->number);
	if (!*out)
		return err_set(rq->err, ENOMEM, "no memory");
	(*out)->created = onto->created;
	return 0;
}

/* What the latest version's number may be known to be without reading it. */
static int64_t unseen_number(struct tree *t, const struct commit *c, const struct request *rq)
{
	_cleanup_json_ cJSON *metadata = NULL;
	struct kv *kv = t->config.kv;
	int r = kv->ops->metadata(kv, c->dir->path, rq->limit, &metadata, NULL);

	if (c->cas != NO_CAS)
		return c->cas;
	return r == 0 ? json_get_int(metadata, "current_version", KV_ANY) : KV_ANY;
}

static bool may_patch(struct tree *t, const struct commit *c, const struct kv_version *onto)
{
	_cleanup_object_ struct object *o = NULL;

	if (!t->config.kv->ops->patch || c->whole || change_is_unseen(c->base) ||
	    onto->state != KV_LIVE)
		return false;
	o = cache_peek(t->config.cache, TREE_RIGHTS, c->dir->path);
	return o && (container_of(o, struct tree_number, object)->number & KV_PATCH);
}

/* On the `first` attempt by a patch, where that is possible. */
static int write_onto(struct tree *t, const struct commit *c, const struct kv_version *onto,
		      bool first, const struct request *rq, struct kv_version **out)
{
	_cleanup_object_ struct kv_version *next = NULL;
	struct kv_writing w = {.kv = t->config.kv, .path = c->dir->path, .onto = onto};
	int r;

	next = kv_version_apply(onto, c->changes, c->count, c->whole);
	if (!next)
		return err_set(rq->err, ENOMEM, "no memory for a version");
	if (next->count == 0 && !c->whole)
		return write_emptied(t, c, onto, rq, out);
	r = rule_check(&t->config.rules, c->dir->path, onto, next, rq->err);
	if (r < 0)
		return r;
	w.next = next;
	w.cas = change_is_unseen(c->base) ? unseen_number(t, c, rq) : onto->number;
	if (first && may_patch(t, c, onto)) {
		w.patch = c->changes;
		w.patch_count = c->count;
	}
	spend_cas(t, c, rq);
	r = kv_write(&w, rq->limit, rq->err);
	if (r < 0)
		return r;
	*out = steal(next);
	return 0;
}

int commit_check(const struct tree *t, const struct commit *c, struct err *err)
{
	_cleanup_object_ struct kv_version *next =
		kv_version_apply(c->base, c->changes, c->count, c->whole);

	if (!next)
		return err_set(err, ENOMEM, "no memory for a version");
	if (next->count == 0 && !c->whole)
		return 0;
	return rule_check(&t->config.rules, c->dir->path, c->base, next, err);
}

/* What the change is made on first: the base, or what we know to have come since. */
static int first_onto(struct tree *t, const struct commit *c, struct kv_version **onto,
		      struct err *err)
{
	_cleanup_object_ struct object *o = cache_peek(t->config.cache, TREE_DATA, c->dir->path);
	struct kv_version *known = o ? container_of(o, struct kv_version, object) : NULL;

	if (known && known->number >= c->base->number && !kv_version_same(known, c->base)) {
		*onto = object_ref(known);
		return check_merge(t, c, known, err);
	}
	*onto = object_ref(c->base);
	return check_merge(t, c, c->base, err);
}

/* Servers keep numbers as floating-point: what comes back may be spelt otherwise. */
static bool is_spelt_anew(const struct commit *c)
{
	for (size_t i = 0; i < c->count; i++)
		if (!c->changes[i].remove &&
		    (c->changes[i].type == KV_NUMBER || c->changes[i].type == KV_ARRAY ||
		     c->changes[i].type == KV_OBJECT))
			return true;
	return false;
}

static void read_back(struct tree *t, const struct commit *c, const struct request *rq,
		      struct kv_version **made)
{
	struct limit limit = {.deadline = rq->limit.deadline};
	struct kv_version *now = NULL;

	if (t->config.kv->ops->read(t->config.kv, c->dir->path, limit, &now, NULL) < 0)
		return;
	if (now->number == (*made)->number) {
		object_put(*made);
		*made = now;
	} else {
		object_put(now);
	}
}

/* Whether the directory is a folder by the listing above it, and no secret yet. */
static bool is_folder_locked(struct tree *t, struct dir *d)
{
	const char *slash = strrchr(d->path, '/');
	_cleanup_object_ struct kv_list *above =
		d->node.parent ? (struct kv_list *)cache_peek(t->config.cache, TREE_LIST,
							      dir_of(d->node.parent)->path)
			       : NULL;
	unsigned kinds = above ? kv_list_find(above, slash ? slash + 1 : d->path) : 0;

	return (kinds & (KV_ENTRY_FOLDER | KV_ENTRY_SECRET)) == KV_ENTRY_FOLDER;
}

/* A file that is written in a folder makes a secret beside it. Few who do that mean it, and nothing
 * fails: so it is told of. */
static void tell_of_folder_locked(struct tree *t, struct dir *d, const struct request *rq)
{
	_cleanup_free_ char *path = node_path_locked(&d->node);
	const struct failure what = {.uid = rq->caller->uid, .path = path, .dirs = {d->path, NULL}};
	struct err err = {0};

	err_set(&err, EISDIR,
		"a file was written in this folder, and made a secret that has the folder's path: "
		"to undo that, remove the file");
	failures_add(&t->failures, &what, &err);
	log_info("a secret was made beside a folder", F_STR("path", d->path),
		 F_INT("uid", rq->caller->uid));
}

static void publish(struct tree *t, struct dir *d, const struct kv_version *onto,
		    struct kv_version *v, bool unseen, const struct request *rq)
{
	pthread_mutex_lock(&t->lock);
	if (v->state == KV_LIVE && onto->state == KV_ABSENT && is_folder_locked(t, d))
		tell_of_folder_locked(t, d, rq);
	if (v->state == KV_LIVE && onto->state != KV_LIVE)
		dir_appeared_locked(t, d);
	cache_drop(t->config.cache, TREE_METADATA, d->path);
	if (unseen)
		cache_drop(t->config.cache, TREE_DATA, d->path);
	pthread_mutex_unlock(&t->lock);
	if (!unseen)
		learn(t, d, v, SECRET_LOCAL, UINT64_MAX);
}

static void count(int r, const struct kv_version *made)
{
	if (r < 0)
		metric_count(METRIC_COMMITS,
			     r == -EBUSY ? METRIC_COMMIT_CONFLICT : METRIC_COMMIT_FAILED);
	else
		metric_count(METRIC_COMMITS, made->state == KV_LIVE ? METRIC_COMMIT_WRITTEN
								    : METRIC_COMMIT_DELETED);
}

int commit_make(struct tree *t, const struct commit *c, const struct request *rq,
		struct kv_version **out)
{
	_cleanup_object_ struct kv_version *onto = NULL;
	uint64_t begun = clock_mono();
	int r = first_onto(t, c, &onto, rq->err);

	for (unsigned attempt = 1; r == 0; attempt++) {
		struct kv_version *latest = NULL;

		r = write_onto(t, c, onto, attempt == 1, rq, out);
		if (r != -EBUSY || c->cas != NO_CAS || change_is_unseen(c->base))
			break;
		/* Who else writes it is in the same place: come back at different times. */
		if (attempt > 1)
			cancel_sleep(NULL, clock_mono() + clock_jitter(attempt * 2 * NS_PER_MS));
		r = commit_read_latest(t, c->dir, rq, SECRET_FOREIGN, &latest);
		if (r < 0)
			break;
		metric_count(METRIC_COMMIT_RETRIES, 0);
		object_put(onto);
		onto = latest;
		r = check_merge(t, c, latest, rq->err);
	}
	count(r, *out);
	if (r < 0)
		return r;
	if (!change_is_unseen(c->base) && is_spelt_anew(c))
		read_back(t, c, rq, out);
	publish(t, c->dir, onto, *out, change_is_unseen(c->base), rq);
	log_info((*out)->state == KV_LIVE ? "version written" : "version deleted",
		 F_STR("path", c->dir->path), F_INT("version", (*out)->number),
		 F_INT("uid", rq->caller->uid), F_INT("pid", rq->caller->pid),
		 F_INT("us", (clock_mono() - begun) / 1000));
	return 0;
}
