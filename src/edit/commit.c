// SPDX-License-Identifier: Apache-2.0
/* Commits: a mount's side of a change. It has one change of a secret under way at a time, spends the
 * check-and-set number that the user has armed, and shows readers the version that was made. The change
 * itself is secrets_change()'s. */

#include "edit/commit.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "edit/change.h"
#include "tree/latest.h"

#include <errno.h>

int commit_begin_locked(struct tree *t, struct dir *d, const struct ask *ask)
{
	LOCK_HELD(&t->lock);

	if (d->changing)
		return waitq_park_locked(&d->changes, ask);
	d->changing = true;
	node_use_locked(&d->node);
	return 0;
}

void commit_end(struct tree *t, struct dir *d)
{
	struct waitq next;

	lock_acquire(&t->lock);
	d->changing = false;
	latest_changed_locked(t, d);
	next = waitq_take_locked(&d->changes);
	node_unuse_locked(t, &d->node);
	lock_release(&t->lock);
	waitq_wake(next);
}

/* `mark` is of before it was asked for. */
static void learn(struct tree *t, struct dir *d, struct kv_version *v, enum shown_origin origin,
		  uint64_t mark)
{
	LOCK_SCOPE(&t->lock);

	latest_learn_locked(t, d, v, origin, mark);
	latest_wait_drained_locked(t, d);
}

/* One call of `secrets`, as it tells us of what it does. */
struct telling {
	struct tree *t;
	const struct commit *c; /* NULL: nothing is sent */
	const struct request *rq;
	struct dir *d;
	enum shown_origin origin; /* of what is read */
};

int commit_permit_locked(struct tree *t, const struct dir *d, unsigned right,
			 const struct request *rq)
{
	LOCK_HELD(&t->lock);
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

/* The number that the user has armed is spent by a commit that is sent, whatever comes of it. */
static void on_sending(void *arg)
{
	const struct telling *of = arg;
	const struct commit *c = of->c;
	LOCK_SCOPE(&of->t->lock);

	if (c->cas != NO_CAS && cas_armed_locked(c->dir, of->rq->caller->uid) == c->cas)
		cas_disarm_locked(c->dir, of->rq->caller->uid);
}

static void on_read(void *arg, struct kv_version *latest, uint64_t mark)
{
	const struct telling *of = arg;

	learn(of->t, of->d, latest, of->origin, mark);
}

static const struct secrets_listener listener = {.sending = on_sending, .read = on_read};

static struct secrets secrets_of(const struct tree *t, struct telling *of)
{
	const struct tree_config *config = &t->config;

	return (struct secrets){.kv = config->kv,
				.cache = config->cache,
				.rules = config->rules,
				.strict = config->strict,
				.listener = of ? &listener : NULL,
				.arg = of};
}

struct secrets commit_secrets(const struct tree *t)
{
	return secrets_of(t, NULL);
}

static struct secret_change change_of(const struct commit *c)
{
	return (struct secret_change){.base = c->base,
				      .fields = c->changes,
				      .count = c->count,
				      .whole = c->whole,
				      .blind = c->blind,
				      .built_on = c->built_on,
				      .cas = c->cas};
}

int commit_read_latest(struct tree *t, struct dir *d, const struct request *rq,
		       enum shown_origin origin, struct kv_version **out)
{
	struct telling of = {.t = t, .rq = rq, .d = d, .origin = origin};
	struct secrets secrets = secrets_of(t, &of);

	return secrets_look(&secrets, d->path, rq->limit, out, rq->err);
}

int commit_check(const struct tree *t, const struct commit *c, struct err *err)
{
	struct secrets secrets = commit_secrets(t);
	struct secret_change change = change_of(c);
	bool forbidden;

	return secrets_check(&secrets, c->dir->path, &change, &forbidden, err);
}

/* Whether the directory is a folder by the listing above it, and no secret yet. */
static bool is_folder_locked(struct tree *t, struct dir *d)
{
	LOCK_HELD(&t->lock);
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
	LOCK_HELD(&t->lock);
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

static void publish(struct tree *t, struct dir *d, const struct secret_outcome *made,
		    const struct request *rq)
{
	struct kv_version *v = made->made;

	lock_acquire(&t->lock);
	if (v->state == KV_LIVE && made->before == KV_ABSENT && is_folder_locked(t, d))
		tell_of_folder_locked(t, d, rq);
	if (v->state == KV_LIVE && made->before != KV_LIVE)
		dir_appeared_locked(t, d);
	cache_drop(t->config.cache, TREE_METADATA, d->path);
	if (made->unseen)
		cache_drop(t->config.cache, TREE_DATA, d->path);
	lock_release(&t->lock);
	if (!made->unseen)
		learn(t, d, v, SHOWN_LOCAL, UINT64_MAX);
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
	struct telling of = {.t = t, .c = c, .rq = rq, .d = c->dir, .origin = SHOWN_FOREIGN};
	struct secrets secrets = secrets_of(t, &of);
	struct secret_change change = change_of(c);
	struct secret_outcome made;
	uint64_t begun = clock_mono();
	int r = secrets_change(&secrets, c->dir->path, &change, rq->limit, &made, rq->err);

	count(r, made.made);
	if (r < 0)
		return r;
	publish(t, c->dir, &made, rq);
	*out = made.made;
	log_info((*out)->state == KV_LIVE ? "version written" : "version deleted",
		 F_STR("path", c->dir->path), F_INT("version", (*out)->number),
		 F_INT("uid", rq->caller->uid), F_INT("pid", rq->caller->pid),
		 F_INT("us", (clock_mono() - begun) / 1000));
	return 0;
}

int commit_whole(struct tree *t, const struct kv_version *v, struct commit *c,
		 const struct request *rq, struct kv_version **out)
{
	_cleanup_free_ struct kv_change *changes = kv_version_changes(v, c->base);

	if (!changes)
		return err_set(rq->err, ENOMEM, "no memory for a version");
	c->changes = changes;
	c->count = v->count;
	c->whole = true;
	return commit_make(t, c, rq, out);
}
