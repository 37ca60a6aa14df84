// SPDX-License-Identifier: Apache-2.0
/* The destination of a migration. A local store is treated like a server's engine, but its file may
 * not exist yet. */

#include "migrate/destination.h"

#include "store/local.h"
#include "vault/path.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool destination_is_local(const struct destination *t)
{
	return t->embedded.file != NULL;
}

/* ENGINE/PATH/PREFIX, without repeated slashes: a store would take them for names. */
static int name_top(struct destination *t, const char *engine, const char *path, const char *prefix,
		    struct err *err)
{
	_cleanup_free_ char *below = NULL;

	if (asprintf(&below, "%s/%s", path, prefix ? prefix : "") < 0)
		return err_set(err, ENOMEM, "no memory");
	place_tidy(below);
	if (asprintf(&t->top, "%s%s%s", engine, *engine && *below ? "/" : "", below) < 0)
		return err_set(err, ENOMEM, "no memory");
	return path_check(below, err);
}

static int open_store(struct destination *t, const char *source, const char *prefix, bool create,
		      struct err *err)
{
	struct remote *r = t->remote;
	_cleanup_free_ char *engine = NULL;
	int s = embedded_take(&t->embedded, &r->conf, source, err);

	if (s == 0 && asprintf(&engine, LOCAL_SOURCE "%s", t->embedded.file) < 0)
		return err_set(err, ENOMEM, "no memory");
	if (s == 0)
		s = name_top(t, engine, t->embedded.path, prefix, err);
	if (s == 0 && (create || access(t->embedded.file, F_OK) == 0))
		s = embedded_open(&t->embedded, &r->conf, create, false, &t->engine, err);
	return s;
}

static int open_server(struct destination *t, const char *full, const char *prefix, struct err *err)
{
	struct remote *r = t->remote;
	int s = reader_open(&t->reader, r, err);

	if (s == 0)
		s = name_top(t, "", full, prefix, err);
	r->local = s < 0;
	return s < 0 ? s : remote_reach(r, err);
}

/* A store's name is taken literally: '#' does not begin a field there. */
static int find_target(const char *word, struct place *at, struct err *err)
{
	if (!local_is_source(word))
		return place_parse(at, word, err);
	at->full = strdup(word);
	return at->full ? 0 : err_set(err, ENOMEM, "no memory");
}

int destination_open(struct destination *t, struct remote *r, const char *prefix, bool create,
		     struct err *err)
{
	const char *word = r->flags.count ? r->flags.words[0] : NULL;
	_cleanup_place_ struct place at = {0};
	int s = remote_options(r, err);

	*t = (struct destination){.remote = r};
	if (s == 0)
		s = find_target(word ? word : r->conf.source, &at, err);
	r->local = s < 0;
	if (s < 0)
		return s;
	if (at.field)
		return remote_wrong(r, err, "%s is a field: say what is to be above the secrets",
				    word);
	if (!local_is_source(at.full))
		return open_server(t, at.full, prefix, err);
	s = open_store(t, at.full, prefix, create, err);
	r->local = s < 0;
	return s;
}

void destination_close(struct destination *t)
{
	reader_fini(&t->reader);
	kv_free(t->engine.kv);
	embedded_fini(&t->embedded);
	free(t->top);
	*t = (struct destination){0};
}

int destination_find(struct destination *t, const char *path, char **full, struct spot *at,
		     struct err *err)
{
	size_t above;
	int s;

	if (!*full && asprintf(full, "%s%s%s", t->top, *path ? "/" : "", path) < 0)
		return err_set(err, ENOMEM, "no memory");
	if (!destination_is_local(t))
		return reader_find(&t->reader, *full, at, err);
	above = strlen(LOCAL_SOURCE) + strlen(t->embedded.file);
	*at = (struct spot){.kv = t->engine.kv,
			    .path = *full + above + ((*full)[above] == '/'),
			    .label = t->engine.info.path};
	s = path_check(at->path, err);
	t->remote->local = s < 0;
	return s;
}

int destination_read(struct destination *t, const char *path, char **full, struct spot *at,
		     struct kv_version **out, struct err *err)
{
	int s = destination_find(t, path, full, at, err);

	if (s == 0 && !*at->path)
		return err_set(err, EINVAL, "%s is no place for a secret: name one below it",
			       *full);
	if (s == 0 && !at->kv) {
		*out = kv_version_empty(KV_ABSENT, 0);
		return *out ? 0 : err_set(err, ENOMEM, "no memory");
	}
	if (s < 0)
		return s;
	s = at->kv->ops->read(at->kv, at->path, remote_limit(t->remote), out, err);
	if (s < 0)
		err_prefix(err, "%s", *full);
	return s;
}

static struct secrets secrets_of(const struct destination *t, const struct spot *at)
{
	return remote_secrets(t->remote, at->kv, at->label);
}

int destination_check(struct destination *t, const struct spot *at, const struct secret_change *c,
		      struct err *err)
{
	struct secrets secrets = secrets_of(t, at);
	bool forbidden;
	int s = secrets_check(&secrets, at->path, c, &forbidden, err);

	t->remote->local = forbidden;
	return s;
}

int destination_change(struct destination *t, const struct spot *at, const struct secret_change *c,
		       struct err *err)
{
	struct secrets secrets = secrets_of(t, at);
	struct secret_outcome out;
	int s = secrets_change(&secrets, at->path, c, remote_change_limit(t->remote), &out, err);

	t->remote->local = out.forbidden;
	object_put(out.made);
	return s;
}

int destination_describe(struct destination *t, const struct spot *at, const cJSON *patch,
			 struct err *err)
{
	struct secrets secrets = secrets_of(t, at);

	return secrets_describe(&secrets, at->path, patch, remote_limit(t->remote), err);
}
