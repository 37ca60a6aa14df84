// SPDX-License-Identifier: Apache-2.0
/* What the modes tell of the token's rights. The rules that the server lets us see are asked for once a
 * mount, and mostly tell; where they do not, it is asked for itself, for all entries of a folder that are
 * listed beside it, so that ls -l of a large folder costs few requests and cat(1) none for each secret.
 * It is for people and for access(2): whether something can be written is the server's to say. */

#include "node/writable.h"

#include "base/clock.h"
#include "kv/acl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define RETRY_TIME (30 * NS_PER_SEC)
#define AT_ONCE	   400 /* entries in a request, with two paths each */

/* The rights to entries of a folder's listing, from a multiple of AT_ONCE on. */
struct entry_rights {
	struct object object;
	size_t count;
	struct entry_right {
		char *name;
		unsigned own, below;
	} rows[];
};

static void rights_free(struct object *o)
{
	struct entry_rights *e = container_of(o, struct entry_rights, object);

	for (size_t i = 0; i < e->count; i++)
		free(e->rows[i].name);
	free(e);
}

static int take_names(const struct kv_list *list, size_t first, struct entry_rights *e)
{
	e->object.size = sizeof(*e) + AT_ONCE * sizeof(e->rows[0]);
	for (size_t i = first; i < list->count && e->count < AT_ONCE; i++) {
		char *name = strdup(list->entries[i].name);

		if (!name)
			return -ENOMEM;
		e->object.size += strlen(name) + 1;
		e->rows[e->count++].name = name;
	}
	return 0;
}

static int ask_rights(struct kv *kv, const char *folder, struct entry_rights *e, struct limit limit,
		      struct err *err)
{
	unsigned *own = calloc(2 * AT_ONCE, sizeof(*own)), *below = own ? own + AT_ONCE : NULL;
	const char *names[AT_ONCE];
	int r = own ? 0 : err_set(err, ENOMEM, "no memory for an answer");

	for (size_t i = 0; i < e->count; i++)
		names[i] = e->rows[i].name;
	if (r == 0 && e->count)
		r = kv->ops->known->rights_in(kv, folder, names, e->count, limit, own, below, err);
	for (size_t i = 0; r == 0 && i < e->count; i++) {
		e->rows[i].own = own[i];
		e->rows[i].below = below[i];
	}
	free(own);
	return r;
}

/* "3/app/tls": of the listing of app/tls, what is at 3 * AT_ONCE and behind. */
int writable_fetch(void *source, const char *key, struct limit limit, struct cache_fetched *out,
		   struct err *err)
{
	const struct tree_source *s = source;
	const char *folder = strchr(key, '/') + 1;
	_cleanup_object_ struct object *list = cache_peek(s->cache, TREE_LIST, folder);
	struct entry_rights *e = calloc(1, sizeof(*e) + AT_ONCE * sizeof(e->rows[0]));
	int r = e ? 0 : err_set(err, ENOMEM, "no memory for an answer");

	if (r < 0)
		return r;
	e->object = (struct object){.refs = 1, .free = rights_free};
	if (list && take_names(container_of(list, struct kv_list, object),
			       strtoul(key, NULL, 10) * AT_ONCE, e) < 0)
		r = err_set(err, ENOMEM, "no memory for an answer");
	if (r == 0)
		r = ask_rights(s->kv, folder, e, limit, err);
	if (r < 0) {
		object_put(&e->object);
		return r;
	}
	out->object = &e->object;
	out->ttl = s->ttl;
	return 0;
}

/* What is asked of a node, and where it stands among others. */
struct question {
	const char *path;
	unsigned any;
	bool below;
	char *folder; /* heap; NULL: it is in none */
	const char *name;
};

static bool question_of(const struct tree *t, const struct node *n, struct question *q)
{
	const char *slash;

	*q = (struct question){0};
	if (t->config.read_only || !n->type->writes || !t->config.kv->ops->known)
		return false;
	q->path = n->type->writes(n, &q->any, &q->below);
	slash = strrchr(q->path, '/');
	q->name = slash ? slash + 1 : q->path;
	if (*q->path && strcmp(q->path, t->config.prefix) != 0)
		q->folder = strndup(q->path, slash ? (size_t)(slash - q->path) : 0);
	return true;
}

/* The place of the name in the folder's listing, as a key; false where it is not listed. */
static bool key_of(struct tree *t, const struct question *q, char **key)
{
	_cleanup_object_ struct object *o =
		q->folder ? cache_peek(t->config.cache, TREE_LIST, q->folder) : NULL;
	const struct kv_list *list = o ? container_of(o, struct kv_list, object) : NULL;
	size_t low = 0, high = list ? list->count : 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(list->entries[middle].name, q->name);

		if (order == 0)
			return asprintf(key, "%zu/%s", middle / AT_ONCE, q->folder) >= 0;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

static enum kv_reach judge(const struct question *q, unsigned own, unsigned below)
{
	return (own & q->any) || (q->below && (below & q->any)) ? KV_REACH_YES : KV_REACH_NO;
}

static bool peek_number(struct tree *t, const char *path, unsigned *number)
{
	_cleanup_object_ struct object *o = cache_peek(t->config.cache, TREE_RIGHTS, path);

	if (o)
		*number = container_of(o, struct tree_number, object)->number;
	return o != NULL;
}

static char *probe_of(const char *path)
{
	char *probe;

	return asprintf(&probe, "%s%s" ACL_PROBE, path, *path ? "/" : "") < 0 ? NULL : probe;
}

/* What was asked for itself. */
static enum kv_reach asked_locked(struct tree *t, const struct question *q)
{
	LOCK_HELD(&t->lock);
	_cleanup_object_ struct object *o = NULL;
	_cleanup_free_ char *key = NULL, *probe = q->below ? probe_of(q->path) : NULL;
	const struct entry_rights *e;
	unsigned own = 0, below = 0;

	if (key_of(t, q, &key))
		o = cache_peek(t->config.cache, TREE_ENTRY_RIGHTS, key);
	e = o ? container_of(o, struct entry_rights, object) : NULL;
	for (size_t i = 0; e && i < e->count; i++)
		if (!strcmp(e->rows[i].name, q->name))
			return judge(q, e->rows[i].own, e->rows[i].below);
	if (!peek_number(t, q->path, &own) || (probe && !peek_number(t, probe, &below)))
		return KV_REACH_UNKNOWN;
	return judge(q, own, below);
}

static enum kv_reach answer_locked(struct tree *t, const struct question *q)
{
	LOCK_HELD(&t->lock);
	struct kv *kv = t->config.kv;
	enum kv_reach told = kv->ops->known->may_write(kv, q->path, q->any, q->below);

	return told == KV_REACH_UNKNOWN ? asked_locked(t, q) : told;
}

enum kv_reach writable_known_locked(struct tree *t, const struct node *n)
{
	LOCK_HELD(&t->lock);
	struct question q;
	enum kv_reach known;

	if (!question_of(t, n, &q))
		return KV_REACH_YES;
	known = answer_locked(t, &q);
	free(q.folder);
	return known;
}

/* A question that fails is one without an answer; others wait for nothing then. */
static int ask_locked(struct tree *t, size_t kind, const char *key, const struct ask *ask)
{
	LOCK_HELD(&t->lock);
	struct object *o = NULL;
	int r = key ? cache_get(t->config.cache, kind, key, ask, &o, NULL, NULL) : 0;

	object_put(o);
	if (r < 0)
		t->rights_after = clock_mono() + RETRY_TIME;
	return r == PARKED ? PARKED : 0;
}

static int learn_locked(struct tree *t, const struct question *q, const struct ask *ask)
{
	LOCK_HELD(&t->lock);
	_cleanup_free_ char *key = NULL, *probe = q->below ? probe_of(q->path) : NULL;
	int r;

	if (clock_mono() < t->rights_after || answer_locked(t, q) != KV_REACH_UNKNOWN)
		return 0;
	r = ask_locked(t, TREE_REACH, q->folder ? q->folder : q->path, ask);
	if (r == PARKED || clock_mono() < t->rights_after ||
	    answer_locked(t, q) != KV_REACH_UNKNOWN)
		return r;
	if (key_of(t, q, &key))
		return ask_locked(t, TREE_ENTRY_RIGHTS, key, ask);
	r = ask_locked(t, TREE_RIGHTS, q->path, ask);
	return r == 0 ? ask_locked(t, TREE_RIGHTS, probe, ask) : r;
}

int writable_learn_locked(struct tree *t, const struct node *n, const struct ask *ask)
{
	LOCK_HELD(&t->lock);
	struct question q;
	int r;

	/* The helper does not wait for the server. */
	if (!ask->asker || !question_of(t, n, &q))
		return 0;
	r = learn_locked(t, &q, ask);
	free(q.folder);
	return r;
}

void writable_show_locked(struct tree *t, const struct node *n, struct stat *attr)
{
	LOCK_HELD(&t->lock);

	if (!t->config.shared && (attr->st_mode & 0222) &&
	    writable_known_locked(t, n) == KV_REACH_NO)
		attr->st_mode &= ~(mode_t)0222;
}

int writable_show_learn_locked(struct tree *t, const struct node *n, const struct ask *ask)
{
	LOCK_HELD(&t->lock);

	return t->config.shared ? 0 : writable_learn_locked(t, n, ask);
}

bool writable_show_pending_locked(struct tree *t, const struct node *n)
{
	LOCK_HELD(&t->lock);

	return !t->config.shared && writable_known_locked(t, n) == KV_REACH_UNKNOWN;
}
