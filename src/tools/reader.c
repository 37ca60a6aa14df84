// SPDX-License-Identifier: Apache-2.0
/* Reads secrets by their full paths: finds the engine of each, and asks for each once. */

#include "tools/reader.h"

#include "kv/kv1.h"
#include "kv/kv2.h"
#include "vault/path.h"

#include <errno.h>
#include <string.h>
#include <utlist.h>

struct reader_engine {
	struct mount_info info;
	struct kv *kv;
	struct reader_engine *next;
};

struct reader_secret {
	char *full;
	struct kv_version *version;
	struct reader_secret *next;
};

int reader_open(struct reader *d, struct remote *r, struct err *err)
{
	int s = remote_configure(r, err);

	d->remote = r;
	if (s == 0)
		s = remote_open(r, err);
	return s < 0 ? s : remote_log_in(r, err);
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
	LL_FOREACH_SAFE(d->engines, e, next_engine)
	{
		kv_free(e->kv);
		free(e);
	}
	*d = (struct reader){0};
}

/* The end of the path that is in the engine; NULL where it is in another. */
static const char *within(const struct reader_engine *e, const char *full)
{
	size_t len = strlen(e->info.path);

	if (strncmp(full, e->info.path, len) != 0 || (full[len] && full[len] != '/'))
		return NULL;
	return full[len] ? full + len + 1 : full + len;
}

static int add_engine(struct reader *d, const char *full, struct err *err)
{
	struct remote *r = d->remote;
	struct reader_engine *e = calloc(1, sizeof(*e));
	int s = e ? mounts_find(r->network.vault, full, remote_limit(r), &e->info, err)
		  : err_set(err, ENOMEM, "no memory");

	if (s == 0 && !e->info.version)
		s = err_set(err, EOPNOTSUPP, "%s is an engine of type %s, and keeps no secrets",
			    e->info.path, e->info.type);
	if (s == 0 && !within(e, full))
		s = err_set(err, EIO, "the server says that %s is in %s", full, e->info.path);
	if (s == 0) {
		e->kv = e->info.version == 1 ? kv1_new(r->network.vault, e->info.path)
					     : kv2_new(r->network.vault, e->info.path);
		s = e->kv ? 0 : err_set(err, ENOMEM, "no memory");
	}
	if (s == 0)
		LL_PREPEND(d->engines, e);
	else
		free(e);
	return s;
}

int reader_find(struct reader *d, const char *full, struct spot *out, struct err *err)
{
	int r = path_check(full, err);

	if (r < 0) {
		d->remote->local = true;
		return r;
	}
	for (int tries = 0; tries < 2; tries++) {
		struct reader_engine *e;
		int s;

		LL_FOREACH(d->engines, e)
		{
			*out = (struct spot){.kv = e->kv, .path = within(e, full)};
			if (out->path)
				return 0;
		}
		s = add_engine(d, full, err);
		if (s < 0)
			return s;
	}
	return err_set(err, EIO, "the engine of %s is not found", full);
}

static int check_live(const struct kv_version *v, const char *full, struct err *err)
{
	if (v->state == KV_LIVE)
		return 0;
	return err_set(err, ENOENT, "%s %s", full,
		       v->state == KV_ABSENT	? "is not there"
		       : v->state == KV_DELETED ? "is deleted"
						: "is destroyed");
}

static int ask(struct reader *d, const char *full, struct kv_version **out, struct err *err)
{
	struct spot at;
	int s = reader_find(d, full, &at, err);

	if (s == 0 && !*at.path)
		s = err_set(err, ENOENT, "%s is an engine, and no secret", full);
	return s < 0 ? s : at.kv->ops->read(at.kv, at.path, remote_limit(d->remote), out, err);
}

static struct reader_secret *find_secret(struct reader *d, const char *full)
{
	struct reader_secret *x;

	LL_FOREACH(d->secrets, x)
	if (!strcmp(x->full, full))
		return x;
	return NULL;
}

int reader_get(struct reader *d, const char *full, const struct kv_version **out, struct err *err)
{
	struct reader_secret *x = find_secret(d, full);
	struct kv_version *v = NULL;
	int s;

	if (!x) {
		s = ask(d, full, &v, err);
		if (s < 0)
			return s;
		x = calloc(1, sizeof(*x));
		if (x)
			*x = (struct reader_secret){.full = strdup(full), .version = v};
		if (!x || !x->full) {
			object_put(v);
			free(x);
			return err_set(err, ENOMEM, "no memory");
		}
		LL_PREPEND(d->secrets, x);
	}
	*out = x->version;
	return check_live(x->version, full, err);
}

int reader_look(struct reader *d, const char *full, bool *changed, struct err *err)
{
	struct reader_secret *x = find_secret(d, full);
	struct kv_version *v = NULL;
	int s = ask(d, full, &v, err);

	if (s < 0)
		return s;
	*changed = !x || v->state != x->version->state ||
		   (v->state == KV_LIVE && !kv_version_equal(v, x->version));
	if (*changed && x) {
		object_put(x->version);
		x->version = steal(v);
	}
	object_put(v);
	return 0;
}
