// SPDX-License-Identifier: Apache-2.0
/* The engine that is at a path now.
 *
 *      version 1  --- "Invalid path for a versioned K/V secrets engine" ---> asked: it is version 2
 *      version 2  --- nothing exists, and it is no engine of version 2 ----> asked: it is version 1
 *
 * Each version has another API below the same path, and refuses the other's requests, or misreads
 * them. Reads are repeated with the new engine at once. Changes are not: they were made from the
 * old engine's data. Version numbers mean nothing across the two, so each engine has its own era,
 * which a version passes on to the changes made from it. */

#include "kv/kv_current.h"

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "kv/kv1.h"
#include "kv/kv2.h"
#include "kv/kv2_read.h"
#include "vault/reply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ASK_INTERVAL (2 * NS_PER_SEC)
#define ERA_SHIFT    40 /* above what an engine counts itself */

struct engine {
	struct kv *kv;
	unsigned refs; /* guarded by its holder's lock */
	int version;
	uint64_t era; /* the first of its eras */
};

struct current {
	struct kv kv;
	struct vault *vault;
	char path[sizeof(((struct mount_info *)0)->path)];
	struct lock lock; /* guards all below */
	struct engine *engine;
	uint64_t next_ask; /* clock_mono() */
	bool missing;	   /* we have logged that it is missing */
	void (*changed)(void *arg);
	void *arg;
};

static struct current *self(struct kv *kv)
{
	return container_of(kv, struct current, kv);
}

static struct engine *engine_new(struct vault *vault, const char *path, int version, uint64_t era)
{
	struct engine *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	*e = (struct engine){.refs = 1, .version = version, .era = era};
	e->kv = version == 1 ? kv1_new(vault, path) : kv2_new(vault, path);
	if (!e->kv) {
		free(e);
		return NULL;
	}
	return e;
}

static struct engine *take(struct current *c)
{
	LOCK_SCOPE(&c->lock);

	c->engine->refs++;
	return c->engine;
}

static void give(struct current *c, struct engine *e)
{
	bool last;

	lock_acquire(&c->lock);
	last = --e->refs == 0;
	lock_release(&c->lock);
	if (!last)
		return;
	kv_free(e->kv);
	free(e);
}

/* Whether to ask now; another thread may be asking, or have the answer. */
static bool begin_asking(struct current *c, const struct engine *then)
{
	LOCK_SCOPE(&c->lock);
	uint64_t now = clock_mono();

	if (c->engine != then || now < c->next_ask)
		return false;
	c->next_ask = now + ASK_INTERVAL;
	return true;
}

static void tell_missing(struct current *c, bool missing, const struct err *why)
{
	bool news;

	lock_acquire(&c->lock);
	news = missing && !c->missing;
	c->missing = missing;
	lock_release(&c->lock);
	if (news)
		log_warning("the engine is not where it was: move it back, or mount it where it is",
			    F_STR("engine", c->path), F_ERR(why));
}

static void replace(struct current *c, struct engine *then, int version)
{
	struct engine *now =
		engine_new(c->vault, c->path, version, then->era + (1ull << ERA_SHIFT));
	void (*changed)(void *arg) = NULL;
	void *arg = NULL;
	bool first;

	if (!now)
		return; /* asked again later */
	lock_acquire(&c->lock);
	first = c->engine == then;
	if (first) {
		c->engine = now;
		changed = c->changed;
		arg = c->arg;
	}
	lock_release(&c->lock);
	give(c, first ? then : now);
	if (!first)
		return;
	log_warning("the engine has become another", F_STR("engine", c->path),
		    F_INT("version", version), F_INT("before", then->version));
	if (changed)
		changed(arg);
}

static void ask(struct current *c, struct engine *then, struct limit limit)
{
	struct mount_info info;
	struct err err = {0};
	int r = mounts_find(c->vault, c->path, limit, &info, &err);

	if (r == 0 && (strcmp(info.path, c->path) != 0 || !info.version))
		r = err_set(&err, ENOENT, "%s is of type %s", info.path, info.type);
	if (r == 0 || r == -ENOENT)
		tell_missing(c, r < 0, &err);
	if (r == 0 && info.version != then->version)
		replace(c, then, info.version);
}

/* Whether the failure may mean that the engine has changed. */
static bool is_doubtful(int r, const struct err *err)
{
	return r == -EIO && (strstr(err_text(err), KV2_NO_MORE) || reply_is_misplaced(err));
}

/* After a call. True: repeat it with *e, which is another engine. */
static bool is_to_repeat(struct current *c, struct engine **e, int r, struct limit limit,
			 const struct err *err)
{
	struct engine *then = *e;
	bool other;

	if (!is_doubtful(r, err))
		return false;
	if (begin_asking(c, then))
		ask(c, then, limit);
	*e = take(c);
	other = *e != then;
	give(c, then);
	return other;
}

static int another(struct err *err, const struct current *c)
{
	return err_set(err, EBUSY, "the engine at %s has become another meanwhile", c->path);
}

/* After a change: -EBUSY if the engine has changed. Gives `e` back. */
static int end_change(struct current *c, struct engine *e, int r, struct limit limit,
		      struct err *err)
{
	if (is_to_repeat(c, &e, r, limit, err))
		r = another(err, c);
	give(c, e);
	return r;
}

static int cannot(struct err *err)
{
	return err_set(err, EOPNOTSUPP, "this engine keeps no versions and no metadata");
}

/* The caller's `err` may be NULL, but we need the sentence. */
#define WITH_ERR(err)                                                                              \
	struct err own_err = {0};                                                                  \
	if (!(err))                                                                                \
	(err) = &own_err

static int current_read(struct kv *kv, const char *path, struct limit limit,
			struct kv_version **out, struct err *err)
{
	struct engine *e = take(self(kv));
	int r;

	WITH_ERR(err);
	do
		r = e->kv->ops->read(e->kv, path, limit, out, err);
	while (is_to_repeat(self(kv), &e, r, limit, err));
	if (r == 0)
		(*out)->era += e->era;
	give(self(kv), e);
	return r;
}

static int current_read_version(struct kv *kv, const char *path, int64_t number, struct limit limit,
				struct kv_version **out, struct err *err)
{
	struct engine *e = take(self(kv));
	int r;

	WITH_ERR(err);
	do
		r = e->kv->ops->read_version(e->kv, path, number, limit, out, err);
	while (is_to_repeat(self(kv), &e, r, limit, err));
	if (r == 0)
		(*out)->era += e->era;
	give(self(kv), e);
	return r;
}

/* Whether the base of `next` belongs to an engine that is gone. */
static bool is_of_another(const struct engine *e, const struct kv_version *next)
{
	return next->era && next->era >> ERA_SHIFT != e->era >> ERA_SHIFT;
}

static int current_write(struct kv *kv, const char *path, struct kv_version *next, int64_t cas,
			 struct limit limit, struct err *err)
{
	struct engine *e = take(self(kv));
	uint64_t era = next->era;
	int r = -EBUSY;

	WITH_ERR(err);
	if (is_of_another(e, next)) {
		another(err, self(kv));
	} else {
		next->era = 0;
		r = e->kv->ops->write(e->kv, path, next, cas, limit, err);
		next->era = r == 0 ? next->era + e->era : era;
	}
	return end_change(self(kv), e, r, limit, err);
}

static int current_patch(struct kv *kv, const char *path, const struct kv_change *changes,
			 size_t count, struct kv_version *next, int64_t cas, struct limit limit,
			 struct err *err)
{
	struct engine *e = take(self(kv));
	uint64_t era = next->era;
	int r = -EOPNOTSUPP;

	WITH_ERR(err);
	if (is_of_another(e, next)) {
		r = another(err, self(kv));
	} else if (e->kv->ops->patch) {
		next->era = 0;
		r = e->kv->ops->patch(e->kv, path, changes, count, next, cas, limit, err);
		next->era = r == 0 ? next->era + e->era : era;
	}
	return end_change(self(kv), e, r, limit, err);
}

static int current_mark(struct kv *kv, const char *path, const struct kv_remark *marks, size_t n,
			int64_t number, struct limit limit, struct err *err)
{
	struct engine *e = take(self(kv));
	int r;

	WITH_ERR(err);
	r = e->kv->ops->mark(e->kv, path, marks, n, number, limit, err);
	return end_change(self(kv), e, r, limit, err);
}

static int current_delete_version(struct kv *kv, const char *path, int64_t number,
				  struct limit limit, struct err *err)
{
	struct engine *e = take(self(kv));
	int r;

	WITH_ERR(err);
	r = e->kv->ops->delete_version(e->kv, path, number, limit, err);
	return end_change(self(kv), e, r, limit, err);
}

static int current_undelete_version(struct kv *kv, const char *path, int64_t number,
				    struct limit limit, struct err *err)
{
	struct engine *e = take(self(kv));
	int r;

	WITH_ERR(err);
	r = e->kv->ops->undelete_version(e->kv, path, number, limit, err);
	return end_change(self(kv), e, r, limit, err);
}

static int current_destroy_version(struct kv *kv, const char *path, int64_t number,
				   struct limit limit, struct err *err)
{
	struct engine *e = take(self(kv));
	int r;

	WITH_ERR(err);
	r = e->kv->ops->destroy_version(e->kv, path, number, limit, err);
	return end_change(self(kv), e, r, limit, err);
}

static int current_purge(struct kv *kv, const char *path, struct limit limit, struct err *err)
{
	struct engine *e = take(self(kv));
	int r;

	WITH_ERR(err);
	r = e->kv->ops->purge(e->kv, path, limit, err);
	return end_change(self(kv), e, r, limit, err);
}

static int current_list(struct kv *kv, const char *path, struct limit limit, struct kv_list **out,
			struct err *err)
{
	struct engine *e = take(self(kv));
	int r;

	WITH_ERR(err);
	do
		r = e->kv->ops->list(e->kv, path, limit, out, err);
	while (is_to_repeat(self(kv), &e, r, limit, err));
	give(self(kv), e);
	return r;
}

static int current_children(struct kv *kv, const char *path, struct limit limit,
			    struct kv_children **out, struct err *err)
{
	struct engine *e = take(self(kv));
	int r;

	WITH_ERR(err);
	do
		r = e->kv->ops->children ? e->kv->ops->children(e->kv, path, limit, out, err)
					 : cannot(err);
	while (is_to_repeat(self(kv), &e, r, limit, err));
	give(self(kv), e);
	return r;
}

static int current_metadata(struct kv *kv, const char *path, struct limit limit, cJSON **out,
			    struct err *err)
{
	struct engine *e = take(self(kv));
	int r;

	WITH_ERR(err);
	do
		r = e->kv->ops->metadata(e->kv, path, limit, out, err);
	while (is_to_repeat(self(kv), &e, r, limit, err));
	give(self(kv), e);
	return r;
}

static int current_change_metadata(struct kv *kv, const char *path, const cJSON *patch,
				   struct limit limit, struct err *err)
{
	struct engine *e = take(self(kv));
	int r;

	WITH_ERR(err);
	r = e->kv->ops->change_metadata
		    ? e->kv->ops->change_metadata(e->kv, path, patch, limit, err)
		    : cannot(err);
	return end_change(self(kv), e, r, limit, err);
}

static int current_rights(struct kv *kv, const char *path, struct limit limit, unsigned *rights,
			  struct err *err)
{
	struct engine *e = take(self(kv));
	int r = e->kv->ops->rights(e->kv, path, limit, rights, err);

	give(self(kv), e);
	return r;
}

static int current_reach(struct kv *kv, const char *path, struct limit limit, enum kv_reach *out,
			 struct err *err)
{
	struct engine *e = take(self(kv));
	int r = e->kv->ops->reach(e->kv, path, limit, out, err);

	give(self(kv), e);
	return r;
}

static enum kv_reach current_may_write(struct kv *kv, const char *path, unsigned any, bool below)
{
	struct engine *e = take(self(kv));
	enum kv_reach may = e->kv->ops->known->may_write(e->kv, path, any, below);

	give(self(kv), e);
	return may;
}

static struct kv_list *current_named(struct kv *kv, const char *path)
{
	struct engine *e = take(self(kv));
	struct kv_list *named = e->kv->ops->known->named(e->kv, path);

	give(self(kv), e);
	return named;
}

static int current_rights_in(struct kv *kv, const char *folder, const char *const *names, size_t n,
			     struct limit limit, unsigned *own, unsigned *below, struct err *err)
{
	struct engine *e = take(self(kv));
	int r = e->kv->ops->known->rights_in(e->kv, folder, names, n, limit, own, below, err);

	give(self(kv), e);
	return r;
}

static unsigned current_traits(struct kv *kv, const char *path)
{
	struct engine *e = take(self(kv));
	unsigned traits = kv_traits(e->kv, path);

	give(self(kv), e);
	return traits;
}

static void current_free(struct kv *kv)
{
	struct current *c = self(kv);

	if (c->engine)
		give(c, c->engine);
	lock_fini(&c->lock);
	free(c);
}

static const struct kv_rights_ops current_known = {
	.may_write = current_may_write,
	.named = current_named,
	.rights_in = current_rights_in,
};

static const struct kv_ops current_ops = {
	.traits = current_traits,
	.read = current_read,
	.read_version = current_read_version,
	.write = current_write,
	.patch = current_patch,
	.mark = current_mark,
	.delete_version = current_delete_version,
	.undelete_version = current_undelete_version,
	.destroy_version = current_destroy_version,
	.purge = current_purge,
	.list = current_list,
	.children = current_children,
	.metadata = current_metadata,
	.change_metadata = current_change_metadata,
	.rights = current_rights,
	.reach = current_reach,
	.known = &current_known,
	.free = current_free,
};

struct kv *kv_current_new(struct vault *vault, const struct mount_info *info)
{
	struct current *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->kv.ops = &current_ops;
	c->vault = vault;
	strcpy(c->path, info->path);
	lock_init(&c->lock, LOCK_CURRENT);
	c->engine = engine_new(vault, c->path, info->version, 1ull << ERA_SHIFT);
	if (!c->engine) {
		current_free(&c->kv);
		return NULL;
	}
	return &c->kv;
}

void kv_current_found(struct kv *kv, int version)
{
	struct current *c = self(kv);
	struct engine *then = take(c);

	if (then->version != version)
		replace(c, then, version);
	give(c, then);
}

void kv_current_report(struct kv *kv, void (*changed)(void *arg), void *arg)
{
	struct current *c = self(kv);

	if (kv->ops != &current_ops)
		return;
	LOCK_SCOPE(&c->lock);
	c->changed = changed;
	c->arg = arg;
}
