// SPDX-License-Identifier: Apache-2.0
/* Many engines as one store.
 *
 *      ""  ->  team  ->  team/a  ->  team/a/kv     an engine: from here on it is asked itself
 *      \_______ answered from the table ______/
 *
 * Engines never nest, but their names may hold slashes. The table is immutable and replaced as a
 * whole; a reader holds a reference. An engine that was used once is kept to the end, since a call
 * may be under way:
 * it comes and goes only in the table. */

#include "kv/kv_router.h"

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "kv/kv_current.h"
#include "vault/mounts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <uthash.h>

#define UNKNOWN_TTL NS_PER_SEC /* the least age to refetch for a path in no engine */

struct engine {
	UT_hash_handle hh;
	struct kv *kv; /* of kv_current_new() */
	char path[];   /* "team/a/kv" */
};

struct table {
	struct object object;
	size_t count;
	struct engine *engines[]; /* by path, bytewise */
};

struct router {
	struct kv kv;
	struct vault *vault;
	uint64_t ttl;
	struct lock lock;	/* guards all below */
	struct engine *engines; /* by path: all that ever existed */
	struct table *table;
	uint64_t fetched; /* clock_mono() of the last attempt; 0: fetch again */
	void (*changed)(void *arg);
	void *arg;
};

static struct router *self(struct kv *kv)
{
	return container_of(kv, struct router, kv);
}

static int no_memory(struct err *err)
{
	return err_set(err, ENOMEM, "no memory for the engines");
}

static void table_free(struct object *o)
{
	free(container_of(o, struct table, object));
}

/* NULL: no memory. */
static struct engine *engine_locked(struct router *r, const struct mount_info *info)
{
	LOCK_HELD(&r->lock);
	struct engine *e;

	HASH_FIND_STR(r->engines, info->path, e);
	if (e)
		return e;
	e = calloc(1, sizeof(*e) + strlen(info->path) + 1);
	if (!e)
		return NULL;
	strcpy(e->path, info->path);
	e->kv = kv_current_new(r->vault, info);
	if (!e->kv) {
		free(e);
		return NULL;
	}
	kv_current_report(e->kv, r->changed, r->arg);
	HASH_ADD_STR(r->engines, path, e);
	return e;
}

static int compare(const void *a, const void *b)
{
	return strcmp((*(struct engine *const *)a)->path, (*(struct engine *const *)b)->path);
}

struct found {
	struct mount_info *all;
	size_t count, room;
};

/* Skips engines that are not key-value. */
static int add_found(void *arg, const struct mount_info *mount)
{
	struct found *found = arg;

	if (!mount->version)
		return 0;
	if (found->count == found->room) {
		size_t room = found->room ? found->room * 2 : 16;
		struct mount_info *all = realloc(found->all, room * sizeof(*all));

		if (!all)
			return -ENOMEM;
		found->all = all;
		found->room = room;
	}
	found->all[found->count++] = *mount;
	return 0;
}

/* NULL: no memory. */
static struct table *table_locked(struct router *r, const struct found *found)
{
	LOCK_HELD(&r->lock);
	size_t size = sizeof(struct table) + found->count * sizeof(struct engine *);
	struct table *table = calloc(1, size);

	if (!table)
		return NULL;
	table->object = (struct object){.refs = 1, .size = size, .free = table_free};
	for (; table->count < found->count; table->count++) {
		table->engines[table->count] = engine_locked(r, &found->all[table->count]);
		if (!table->engines[table->count]) {
			free(table);
			return NULL;
		}
	}
	if (table->count)
		qsort(table->engines, table->count, sizeof(struct engine *), compare);
	return table;
}

/* Called without the lock: an engine that has changed calls `changed`. */
static void tell_versions(struct router *r, const struct found *found)
{
	for (size_t i = 0; i < found->count; i++) {
		struct engine *e;

		lock_acquire(&r->lock);
		HASH_FIND_STR(r->engines, found->all[i].path, e);
		lock_release(&r->lock);
		if (e)
			kv_current_found(e->kv, found->all[i].version);
	}
}

static int fetch(struct router *r, struct limit limit, struct err *err)
{
	struct found found = {0};
	struct table *table;
	int s = mounts_list(r->vault, limit, add_found, &found, err);

	if (s < 0) {
		free(found.all);
		return s == -ENOMEM ? no_memory(err) : s;
	}
	lock_acquire(&r->lock);
	table = table_locked(r, &found);
	if (table) {
		object_put(r->table);
		r->table = table;
		r->fetched = clock_mono();
	}
	lock_release(&r->lock);
	tell_versions(r, &found);
	free(found.all);
	return table ? 0 : no_memory(err);
}

/* The current table; the caller puts the reference. */
static struct table *table_get(struct router *r)
{
	LOCK_SCOPE(&r->lock);

	return object_ref(r->table);
}

/* A table no older than `age`. In an outage the last one serves: one caller asks, the others go on
 * with it. */
static struct table *table_fresh(struct router *r, uint64_t age, struct limit limit)
{
	struct err err = {0};
	uint64_t now = clock_mono();
	bool old;

	lock_acquire(&r->lock);
	old = now - r->fetched >= age;
	if (old)
		r->fetched = now;
	lock_release(&r->lock);
	if (old && fetch(r, limit, &err) < 0)
		log_warning("the engines cannot be listed", F_ERR(&err));
	return table_get(r);
}

/* Whether `path` is `folder` or below it; *rest is where the rest begins. */
static bool is_below(const char *path, const char *folder, const char **rest)
{
	size_t len = strlen(folder);

	if (strncmp(path, folder, len) != 0 || (len && path[len] && path[len] != '/'))
		return false;
	*rest = path + len + (len && path[len] == '/');
	return true;
}

struct route {
	struct kv *kv;	    /* NULL: not in an engine */
	const char *inside; /* "": its root */
	bool above;	    /* engines are below it */
};

static struct route find(const struct table *table, const char *path)
{
	struct route route = {.inside = ""};
	size_t longest = 0;
	const char *rest;

	for (size_t i = 0; i < table->count; i++) {
		const char *engine = table->engines[i]->path;

		if (is_below(path, engine, &rest) && strlen(engine) > longest) {
			longest = strlen(engine);
			route.kv = table->engines[i]->kv;
			route.inside = rest;
		} else if (is_below(engine, path, &rest)) {
			route.above = true;
		}
	}
	route.above = !route.kv && (route.above || !*path);
	return route;
}

static struct route route_of(struct kv *kv, const char *path, struct limit limit)
{
	struct router *r = self(kv);
	_cleanup_object_ struct table *table = table_fresh(r, r->ttl, limit);
	struct route route = find(table, path);

	if (route.kv || route.above)
		return route;
	/* The engine may be new. */
	object_put(steal(table));
	table = table_fresh(r, UNKNOWN_TTL, limit);
	return find(table, path);
}

/* Routes to a secret in an engine, for changes and for its history. */
static int route_to_secret(struct kv *kv, const char *path, struct limit limit, struct route *to,
			   struct err *err)
{
	*to = route_of(kv, path, limit);
	if (to->kv && *to->inside)
		return 0;
	if (to->kv)
		return err_set(err, EROFS, "%s is an engine, and no secret", path);
	if (to->above)
		return err_set(err, EROFS, "/%s holds engines, and no secrets", path);
	return err_set(err, ENOENT, "there is no engine for %s any more", path);
}

static int cannot(struct err *err)
{
	return err_set(err, EOPNOTSUPP, "this engine keeps no versions and no metadata");
}

static int router_read(struct kv *kv, const char *path, struct limit limit, struct kv_version **out,
		       struct err *err)
{
	struct route to = route_of(kv, path, limit);

	if (to.kv && *to.inside)
		return to.kv->ops->read(to.kv, to.inside, limit, out, err);
	*out = kv_version_empty(KV_ABSENT, 0);
	return *out ? 0 : no_memory(err);
}

static int router_read_version(struct kv *kv, const char *path, int64_t number, struct limit limit,
			       struct kv_version **out, struct err *err)
{
	struct route to;
	int r = route_to_secret(kv, path, limit, &to, err);

	if (r < 0)
		return r == -EROFS ? -ENOENT : r;
	return to.kv->ops->read_version
		       ? to.kv->ops->read_version(to.kv, to.inside, number, limit, out, err)
		       : cannot(err);
}

static int router_write(struct kv *kv, const char *path, struct kv_version *next, int64_t cas,
			struct limit limit, struct err *err)
{
	struct route to;
	int r = route_to_secret(kv, path, limit, &to, err);

	return r < 0 ? r : to.kv->ops->write(to.kv, to.inside, next, cas, limit, err);
}

static int router_patch(struct kv *kv, const char *path, const struct kv_change *changes,
			size_t count, struct kv_version *next, int64_t cas, struct limit limit,
			struct err *err)
{
	struct route to;
	int r = route_to_secret(kv, path, limit, &to, err);

	if (r < 0)
		return r;
	return to.kv->ops->patch
		       ? to.kv->ops->patch(to.kv, to.inside, changes, count, next, cas, limit, err)
		       : -EOPNOTSUPP;
}

static int router_mark(struct kv *kv, const char *path, const struct kv_remark *marks, size_t n,
		       int64_t number, struct limit limit, struct err *err)
{
	struct route to;
	int r = route_to_secret(kv, path, limit, &to, err);

	return r < 0 ? r : to.kv->ops->mark(to.kv, to.inside, marks, n, number, limit, err);
}

static int router_delete_version(struct kv *kv, const char *path, int64_t number,
				 struct limit limit, struct err *err)
{
	struct route to;
	int r = route_to_secret(kv, path, limit, &to, err);

	return r < 0 ? r : to.kv->ops->delete_version(to.kv, to.inside, number, limit, err);
}

static int router_undelete_version(struct kv *kv, const char *path, int64_t number,
				   struct limit limit, struct err *err)
{
	struct route to;
	int r = route_to_secret(kv, path, limit, &to, err);

	return r < 0 ? r : to.kv->ops->undelete_version(to.kv, to.inside, number, limit, err);
}

static int router_destroy_version(struct kv *kv, const char *path, int64_t number,
				  struct limit limit, struct err *err)
{
	struct route to;
	int r = route_to_secret(kv, path, limit, &to, err);

	return r < 0 ? r : to.kv->ops->destroy_version(to.kv, to.inside, number, limit, err);
}

static int router_purge(struct kv *kv, const char *path, struct limit limit, struct err *err)
{
	struct route to;
	int r = route_to_secret(kv, path, limit, &to, err);

	return r < 0 ? r : to.kv->ops->purge(to.kv, to.inside, limit, err);
}

/* Lists a folder above the engines: their names up to the next slash. */
static int list_above(const struct table *table, const char *path, struct kv_list **out)
{
	_cleanup_json_ cJSON *names = cJSON_CreateArray();
	const char *rest;

	for (size_t i = 0; i < table->count; i++) {
		_cleanup_free_ char *name = NULL;

		if (!is_below(table->engines[i]->path, path, &rest) || !*rest)
			continue;
		if (asprintf(&name, "%.*s/", (int)strcspn(rest, "/"), rest) < 0 ||
		    !cJSON_AddItemToArray(names, json_new_string(name, strlen(name))))
			return -ENOMEM;
	}
	return names ? kv_list_parse(names, out) : -ENOMEM;
}

static int router_list(struct kv *kv, const char *path, struct limit limit, struct kv_list **out,
		       struct err *err)
{
	_cleanup_object_ struct table *table = NULL;
	struct route to = route_of(kv, path, limit);
	int r = 0;

	if (to.kv)
		return to.kv->ops->list(to.kv, to.inside, limit, out, err);
	/* The caller has no fresh listing, or has discarded it. */
	r = fetch(self(kv), limit, err);
	if (r < 0)
		return r;
	table = table_get(self(kv));
	return list_above(table, path, out) < 0 ? no_memory(err) : 0;
}

static int router_children(struct kv *kv, const char *path, struct limit limit,
			   struct kv_children **out, struct err *err)
{
	struct route to = route_of(kv, path, limit);

	return to.kv && to.kv->ops->children
		       ? to.kv->ops->children(to.kv, to.inside, limit, out, err)
		       : cannot(err);
}

static int router_metadata(struct kv *kv, const char *path, struct limit limit, cJSON **out,
			   struct err *err)
{
	struct route to;
	int r = route_to_secret(kv, path, limit, &to, err);

	if (r < 0)
		return r == -EROFS ? -ENOENT : r;
	return to.kv->ops->metadata(to.kv, to.inside, limit, out, err);
}

static int router_change_metadata(struct kv *kv, const char *path, const cJSON *patch,
				  struct limit limit, struct err *err)
{
	struct route to;
	int r = route_to_secret(kv, path, limit, &to, err);

	if (r < 0)
		return r;
	return to.kv->ops->change_metadata
		       ? to.kv->ops->change_metadata(to.kv, to.inside, patch, limit, err)
		       : cannot(err);
}

static int router_rights(struct kv *kv, const char *path, struct limit limit, unsigned *rights,
			 struct err *err)
{
	struct route to = route_of(kv, path, limit);

	*rights = KV_LIST;
	return to.kv ? to.kv->ops->rights(to.kv, to.inside, limit, rights, err) : 0;
}

static int router_reach(struct kv *kv, const char *path, struct limit limit, enum kv_reach *out,
			struct err *err)
{
	struct route to = route_of(kv, path, limit);

	*out = to.above ? KV_REACH_YES : KV_REACH_NO;
	return to.kv ? to.kv->ops->reach(to.kv, to.inside, limit, out, err) : 0;
}

/* Above the engines rights do not matter. At an engine's root we do not ask for rights just to show
 * modes: the server refuses when something is made there. */
static enum kv_reach router_may_write(struct kv *kv, const char *path, unsigned any, bool below)
{
	_cleanup_object_ struct table *table = table_get(self(kv));
	struct route to = find(table, path);
	enum kv_reach may = KV_REACH_YES;

	if (to.kv && to.kv->ops->known)
		may = to.kv->ops->known->may_write(to.kv, to.inside, any, below);
	return may == KV_REACH_UNKNOWN && !*to.inside ? KV_REACH_YES : may;
}

static struct kv_list *router_named(struct kv *kv, const char *path)
{
	_cleanup_object_ struct table *table = table_get(self(kv));
	struct route to = find(table, path);

	return to.kv && to.kv->ops->known ? to.kv->ops->known->named(to.kv, to.inside) : NULL;
}

static int router_rights_in(struct kv *kv, const char *folder, const char *const *names, size_t n,
			    struct limit limit, unsigned *own, unsigned *below, struct err *err)
{
	struct route to = route_of(kv, folder, limit);

	if (to.kv && to.kv->ops->known)
		return to.kv->ops->known->rights_in(to.kv, to.inside, names, n, limit, own, below,
						    err);
	for (size_t i = 0; i < n; i++)
		own[i] = below[i] = ~0u;
	return 0;
}

static unsigned router_traits(struct kv *kv, const char *path)
{
	_cleanup_object_ struct table *table = table_get(self(kv));
	struct route to = find(table, path);

	return to.kv ? kv_traits(to.kv, to.inside) : KV_OUTSIDE;
}

static void router_refresh(struct kv *kv)
{
	LOCK_SCOPE(&self(kv)->lock);

	self(kv)->fetched = 0;
}

static void router_free(struct kv *kv)
{
	struct router *r = self(kv);
	struct engine *e, *next;

	object_put(r->table);
	HASH_ITER (hh, r->engines, e, next) {
		HASH_DEL(r->engines, e);
		kv_free(e->kv);
		free(e);
	}
	lock_fini(&r->lock);
	free(r);
}

static const struct kv_rights_ops router_known = {
	.may_write = router_may_write,
	.named = router_named,
	.rights_in = router_rights_in,
};

static const struct kv_ops router_ops = {
	.traits = router_traits,
	.refresh = router_refresh,
	.read = router_read,
	.read_version = router_read_version,
	.write = router_write,
	.patch = router_patch,
	.mark = router_mark,
	.delete_version = router_delete_version,
	.undelete_version = router_undelete_version,
	.destroy_version = router_destroy_version,
	.purge = router_purge,
	.list = router_list,
	.children = router_children,
	.metadata = router_metadata,
	.change_metadata = router_change_metadata,
	.rights = router_rights,
	.reach = router_reach,
	.known = &router_known,
	.free = router_free,
};

bool kv_router_reaches(struct kv *kv, const char *path)
{
	_cleanup_object_ struct table *table = table_get(self(kv));
	struct route to = find(table, path);

	return to.kv || to.above;
}

void kv_router_report(struct kv *kv, void (*changed)(void *arg), void *arg)
{
	struct router *r = self(kv);
	struct engine *e, *next;

	if (kv->ops != &router_ops)
		return;
	LOCK_SCOPE(&r->lock);
	r->changed = changed;
	r->arg = arg;
	HASH_ITER (hh, r->engines, e, next)
		kv_current_report(e->kv, changed, arg);
}

int kv_router_new(struct vault *vault, uint64_t ttl, struct limit limit, struct kv **out,
		  struct err *err)
{
	struct router *r = calloc(1, sizeof(*r));
	int s;

	if (!r)
		return no_memory(err);
	r->kv.ops = &router_ops;
	r->vault = vault;
	r->ttl = ttl;
	lock_init(&r->lock, LOCK_ROUTER);
	s = fetch(r, limit, err);
	if (s < 0)
		router_free(&r->kv);
	else
		*out = &r->kv;
	return s;
}
