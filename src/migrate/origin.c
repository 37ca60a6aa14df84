// SPDX-License-Identifier: Apache-2.0
/* From --from and --from-conf to a readable engine. For another server only its file counts: the
 * environment and ~/.vault-token belong to the target, and a token must not go to a server that it
 * is not meant for. */

#include "migrate/origin.h"

#include "store/local.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SERVER "vault:"

bool origin_is(const char *from)
{
	return local_is_source(from) || !strncmp(from, SERVER, strlen(SERVER));
}

static int read_conf(struct origin *o, const char *file, struct err *err)
{
	int s = conf_init(&o->own.conf, err);

	o->own.configured = true;
	return s < 0 ? s : conf_read_file(&o->own.conf, file, err);
}

static int open_store(struct origin *o, const char *from, struct err *err)
{
	const struct conf *c = &o->asked->conf;
	int s = embedded_take(&o->embedded, c, from, err);

	if (s == 0 && asprintf(&o->top, LOCAL_SOURCE "%s%s%s", o->embedded.file,
			       *o->embedded.path ? "/" : "", o->embedded.path) < 0)
		return err_set(err, ENOMEM, "no memory");
	return s < 0 ? s : embedded_open(&o->embedded, c, false, false, &o->engine, err);
}

/* Like credentials_find(), but ignores files in a home directory. */
static int find_credentials(struct remote *own, const char *file, struct err *err)
{
	int s;

	if (!own->conf.address)
		return err_set(err, EINVAL, "%s: addr is missing, the address of the server", file);
	s = credentials_take(&own->creds, &own->conf, err);
	own->creds.auth.home_token_file = NULL;
	own->creds.auth.aws.file = own->conf.aws_credentials_file;
	if (s == 0)
		s = credentials_choose(&own->creds, err);
	if (s == 0)
		s = credentials_find_cache(&own->creds, &own->conf, err);
	if (s == 0)
		s = credentials_fork(&own->creds, NULL, err);
	return s < 0 ? err_prefix(err, "%s", file) : 0;
}

/* Logs in to the server of `file`, or uses the target's server, which may need no other question. */
static int log_in(struct origin *o, const char *file, const struct destination *t, struct err *err)
{
	struct remote *r = o->asked;
	int s = 0;

	if (file)
		s = find_credentials(r, file, err);
	t->remote->local = s < 0;
	if (s == 0) {
		s = remote_reach(r, err);
		t->remote->local = r->local;
	}
	return s;
}

static int open_server(struct origin *o, char *full, const char *file, struct destination *t,
		       struct err *err)
{
	struct remote *r = o->asked;
	int s;

	o->top = full;
	s = log_in(o, file, t, err);
	return s < 0 ? s
		     : network_find_engine(&r->network, &r->conf, o->top, remote_limit(r),
					   &o->engine, err);
}

/* "local:FILE/PATH" is taken literally; "vault:" precedes a path of the server or in a mount. */
static int find_source(const char *from, struct place *at, struct err *err)
{
	if (!local_is_source(from))
		return place_parse(at, from + strlen(SERVER), err);
	at->full = strdup(from);
	return at->full ? 0 : err_set(err, ENOMEM, "no memory");
}

int origin_open(struct origin *o, const char *from, const char *file, struct destination *t,
		struct err *err)
{
	_cleanup_place_ struct place at = {0};
	int s = 0;

	*o = (struct origin){.asked = file ? &o->own : t->remote};
	o->own.command = t->remote->command;
	if (file)
		s = read_conf(o, file, err);
	if (s == 0)
		s = find_source(from, &at, err);
	t->remote->local = s < 0;
	if (s < 0)
		return s;
	if (at.field)
		return remote_wrong(t->remote, err, "%s is a field: say what is above the secrets",
				    from);
	if (!local_is_source(at.full))
		return open_server(o, steal(at.full), file, t, err);
	s = open_store(o, at.full, err);
	t->remote->local = s < 0;
	return s;
}

void origin_close(struct origin *o)
{
	kv_free(o->engine.kv);
	embedded_fini(&o->embedded);
	free(o->top);
	remote_close(&o->own);
	*o = (struct origin){0};
}

char *origin_path(const struct origin *o, const char *path)
{
	const char *above = o->engine.inside;
	char *full;

	if (asprintf(&full, "%s%s%s", above, *above && *path ? "/" : "", path) < 0)
		return NULL;
	return full;
}
