// SPDX-License-Identifier: Apache-2.0
/* Reads secrets by their full paths, as a mount of SOURCE would show them.
 *
 *      path ---> layers that come first ---> engine, found once ---> its latest version ---> layers
 *
 * An engine is found by the same options as a mount finds it (kv_version=, engine=), or is a local
 * store. Nobody logs in before something of the server is wanted. */

#include "remote/reader.h"

#include "layer/layers.h"
#include "store/local.h"
#include "vault/path.h"
#include "vault/reply.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

struct reader_engine {
	struct embedded embedded; /* of a local store */
	struct kv_engine engine;
	struct reader_engine *next;
};

struct reader_secret {
	char *full;
	struct kv_version *version;
	bool stands_in; /* it is of the layers alone, and need not be live */
	struct reader_secret *next;
};

static int no_memory(struct err *err)
{
	return err_set(err, ENOMEM, "no memory");
}

int reader_open(struct reader *d, struct remote *r, struct err *err)
{
	int s = remote_options(r, err);

	d->remote = r;
	r->local = s < 0;
	return s;
}

/* A path by which those of one store are told to be the same. Heap; NULL: there is none, or no memory. */
static char *name_of(const char *full)
{
	_cleanup_free_ char *file = NULL, *path = NULL;
	char *name = strdup(full);

	if (!local_is_source(full)) {
		if (name)
			place_tidy(name);
		return name;
	}
	free(steal(name));
	if (local_source_parse(full, &file, &path, NULL) < 0 ||
	    asprintf(&name, LOCAL_SOURCE "%s%s%s", file, *path ? "/" : "", path) < 0)
		return NULL;
	return name;
}

int reader_take_layers(struct reader *d, struct err *err)
{
	const struct conf *c = &d->remote->conf;
	const struct layers_config config = {.mode = (enum layer_mode)c->env,
					     .env_file = c->env_file,
					     .env_map = c->env_map,
					     .defaults = c->defaults};
	int s = layers_new(&config, &d->layers, err);

	if (s == 0 && d->layers) {
		d->root = name_of(c->source);
		if (!d->root || layers_set_root(d->layers, d->root) < 0)
			s = no_memory(err);
	}
	d->remote->local = s < 0;
	return s;
}

static void engine_free(struct reader_engine *e)
{
	kv_free(e->engine.kv);
	embedded_fini(&e->embedded);
	free(e);
}

void reader_fini(struct reader *d)
{
	struct reader_engine *e, *next_engine;
	struct reader_secret *x, *next;

	LL_FOREACH_SAFE(d->secrets, x, next)
	{
		object_put(x->version);
		free(x->full);
		free(x);
	}
	LL_FOREACH_SAFE(d->engines, e, next_engine) engine_free(e);
	layers_free(d->layers);
	free(d->root);
	*d = (struct reader){0};
}

bool reader_asks_nobody(const struct reader *d, const char *full)
{
	const struct conf *c = &d->remote->conf;

	return c->env == CONF_ENV_ONLY && (c->use_vault || !local_is_source(full));
}

/* The path as the layers know it; heap. NULL where they have nothing to do with it. */
static char *layered_name(const struct reader *d, const char *full)
{
	_cleanup_free_ char *name = NULL;
	size_t len = d->root ? strlen(d->root) : 0;

	if (!d->layers || (d->remote->conf.env == CONF_ENV_ONLY && !reader_asks_nobody(d, full)))
		return NULL;
	name = name_of(full);
	if (!name || strncmp(name, d->root, len) != 0 || (len && name[len] && name[len] != '/'))
		return NULL;
	return steal(name);
}

/* What an engine of the server has of the path; NULL where it is in another. */
static const char *within(const struct reader_engine *e, const char *full)
{
	const char *mount = e->engine.info.path;
	size_t len = strlen(mount);

	if (e->embedded.file || strncmp(full, mount, len) != 0 || (full[len] && full[len] != '/'))
		return NULL;
	return full + len + (full[len] == '/');
}

/* Takes `e`, which is in the list where this succeeds. */
static int add_engine(struct reader *d, struct reader_engine *e, const char *full, struct err *err)
{
	int s = e ? remote_open_engine(d->remote, full, &e->embedded, &e->engine, err)
		  : no_memory(err);

	if (s == 0 && !e->engine.info.version)
		s = err_set(err, ENOENT, "no engine at %s: it is above engines", full);
	if (s < 0) {
		if (e)
			engine_free(e);
		return s;
	}
	LL_PREPEND(d->engines, e);
	return 0;
}

static int find_at_server(struct reader *d, const char *full, struct spot *out, struct err *err)
{
	int s = path_check(full, err);

	d->remote->local = s < 0;
	for (int tries = 0; s == 0 && tries < 2; tries++) {
		struct reader_engine *e;

		LL_FOREACH(d->engines, e)
		{
			*out = (struct spot){.kv = e->engine.kv,
					     .path = within(e, full),
					     .label = e->engine.info.path};
			if (out->path)
				return 0;
		}
		s = add_engine(d, calloc(1, sizeof(*e)), full, err);
	}
	return s < 0 ? s : err_set(err, EIO, "the engine of %s is not found", full);
}

/* The key is read once for each store. */
static int find_in_store(struct reader *d, const char *full, struct spot *out, struct err *err)
{
	_cleanup_free_ char *file = NULL, *path = NULL;
	struct reader_engine *e;
	int s = local_source_parse(full, &file, &path, err);

	if (s == 0)
		s = path_check(path, err);
	d->remote->local = s < 0;
	if (s < 0)
		return s;
	LL_FOREACH(d->engines, e)
	if (e->embedded.file && !strcmp(e->embedded.file, file))
		break;
	if (!e)
		s = add_engine(d, calloc(1, sizeof(*e)), full, err);
	if (s < 0)
		return s;
	e = e ? e : d->engines;
	/* A path ends with what it is in the store. */
	*out = (struct spot){.kv = e->engine.kv,
			     .path = full + strlen(full) - strlen(path),
			     .label = e->engine.info.path};
	return 0;
}

int reader_find(struct reader *d, const char *full, struct spot *out, struct err *err)
{
	return local_is_source(full) ? find_in_store(d, full, out, err)
				     : find_at_server(d, full, out, err);
}

static int ask(struct reader *d, const char *full, struct kv_version **out, struct err *err)
{
	struct spot at;
	int s = reader_find(d, full, &at, err);

	if (s == 0 && !*at.path)
		s = err_set(err, ENOENT, "%s is an engine, and no secret", full);
	return s < 0 ? s : at.kv->ops->read(at.kv, at.path, remote_limit(d->remote), out, err);
}

static int refuse_to_ask(struct reader *d, const char *full, struct err *err)
{
	return remote_wrong(d->remote, err,
			    "%s is not below SOURCE, %s, and env=only (USE_VAULT=no) has no "
			    "server asked",
			    full, d->root);
}

/* Lays the layers over `*v`, which is taken. */
static int lay_over(struct reader *d, const char *name, struct kv_version **v, struct err *err)
{
	struct layer_memo memo = {0};

	if (!name)
		return 0;
	*v = layers_version(d->layers, name, steal(*v), &memo);
	layer_memo_fini(&memo);
	return *v ? 0 : no_memory(err);
}

/* Where the server has nothing, or is not there, the layers may have. */
static int fetch(struct reader *d, const char *full, struct reader_secret *x, struct err *err)
{
	_cleanup_free_ char *name = layered_name(d, full);
	bool nobody = reader_asks_nobody(d, full);
	int s = 0;

	if (nobody && !name)
		return refuse_to_ask(d, full, err);
	if (!nobody)
		s = ask(d, full, &x->version, err);
	if (s == 0 && x->version && x->version->state == KV_LIVE)
		return lay_over(d, name, &x->version, err);
	if (s < 0 && s != -ENOENT && !reply_is_outage(-s))
		return s;
	x->stands_in = nobody || (name && layers_directory(d->layers, name));
	if (s < 0 && !x->stands_in)
		return s;
	if (!x->version)
		x->version = kv_version_empty(KV_ABSENT, 0);
	return x->version ? lay_over(d, name, &x->version, err) : no_memory(err);
}

static int check_live(const struct reader_secret *x, struct err *err)
{
	enum kv_state state = x->version->state;

	if (state == KV_LIVE || x->stands_in)
		return 0;
	return err_set(err, ENOENT, "%s %s", x->full,
		       state == KV_ABSENT    ? "is not there"
		       : state == KV_DELETED ? "is deleted"
					     : "is destroyed");
}

static struct reader_secret *find_secret(struct reader *d, const char *full)
{
	struct reader_secret *x;

	LL_FOREACH(d->secrets, x)
	if (!strcmp(x->full, full))
		return x;
	return NULL;
}

/* Takes what is in `x`. */
static int remember(struct reader *d, const char *full, struct reader_secret *x, struct err *err)
{
	struct reader_secret *known = find_secret(d, full);

	if (known) {
		object_put(known->version);
		known->version = steal(x->version);
		known->stands_in = x->stands_in;
		return 0;
	}
	known = calloc(1, sizeof(*known));
	if (known)
		known->full = strdup(full);
	if (!known || !known->full) {
		free(known);
		object_put(steal(x->version));
		return no_memory(err);
	}
	known->version = steal(x->version);
	known->stands_in = x->stands_in;
	LL_PREPEND(d->secrets, known);
	return 0;
}

int reader_get(struct reader *d, const char *full, const struct kv_version **out, struct err *err)
{
	struct reader_secret *x = find_secret(d, full), fresh = {0};
	int s = x ? 0 : fetch(d, full, &fresh, err);

	if (s == 0 && !x)
		s = remember(d, full, &fresh, err);
	object_put(fresh.version);
	if (s < 0)
		return s;
	x = find_secret(d, full);
	*out = x->version;
	return check_live(x, err);
}

/* Whether the environment has it before anybody else. */
static bool is_first(const struct reader *d, const char *name, const char *field)
{
	bool listed;

	return name && layers_first(d->layers, name, field, strlen(field), &listed);
}

static int explain(struct reader *d, const char *full, const char *name, const char *field, int s,
		   struct err *err)
{
	bool nobody = reader_asks_nobody(d, full);

	if (s == 0 && nobody)
		s = err_set(err, ENOENT, "it is not asked (env=only, USE_VAULT=no)");
	else if (s == 0)
		s = err_set(err, ENOENT, "%s has no field %s", full, field);
	if (name && (s == -ENOENT || reply_is_outage(-s)))
		layers_explain(d->layers, name, field, strlen(field), err);
	d->remote->local |= nobody;
	return s;
}

int reader_field(struct reader *d, const char *full, const char *field, struct kv_field *out,
		 struct err *err)
{
	_cleanup_free_ char *name = layered_name(d, full);
	const struct kv_field *f = NULL;
	const struct kv_version *v;
	size_t len = strlen(field);
	int s = 0;

	if (!is_first(d, name, field)) {
		s = reader_get(d, full, &v, err);
		f = s == 0 ? kv_version_field(v, field, len) : NULL;
	}
	if (f) {
		*out = *f;
		return 0;
	}
	if (name && (s == 0 || s == -ENOENT || reply_is_outage(-s)) &&
	    layers_field(d->layers, name, field, len, out) != LAYER_NONE) {
		out->name = field;
		out->name_len = len;
		return 0;
	}
	return explain(d, full, name, field, s, err);
}

/* A server that does not answer leaves things as they are: what was read goes before the environment. */
int reader_look(struct reader *d, const char *full, const char *field, bool *changed,
		struct err *err)
{
	_cleanup_free_ char *name = layered_name(d, full);
	struct reader_secret *x = find_secret(d, full), fresh = {0};
	int s;

	*changed = false;
	if (reader_asks_nobody(d, full) || (field && is_first(d, name, field)))
		return 0;
	s = ask(d, full, &fresh.version, err);
	if (s == 0)
		s = lay_over(d, name, &fresh.version, err);
	if (s == 0) {
		*changed = !x || fresh.version->state != x->version->state ||
			   (fresh.version->state == KV_LIVE &&
			    !kv_version_equal(fresh.version, x->version));
		fresh.stands_in = name && layers_directory(d->layers, name);
	}
	if (*changed)
		s = remember(d, full, &fresh, err);
	object_put(fresh.version);
	return s;
}
