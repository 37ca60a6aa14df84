// SPDX-License-Identifier: Apache-2.0
/* A mount while no server answers. The copy is found again by its owner: the configured login, for
 * a given token the token itself; then the engine. Another token, role or server finds nothing. */

#include "cli/standby.h"

#include "base/clock.h"
#include "base/log.h"
#include "layer/kv_none.h"
#include "node/keeping.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct limit own_limit(const struct conf *c)
{
	return (struct limit){.deadline = clock_mono() + c->timeout};
}

int standby_take_key(struct standby *s, const struct conf *c, struct err *err)
{
	if (!c->offline)
		return 0;
	if (!strncmp(c->offline_key, "passphrase", strlen("passphrase")))
		return err_set(err, EINVAL,
			       "offline_key=%s: nobody is there to give it at a restart",
			       c->offline_key);
	return store_key_read("offline_key", c->offline_key, &s->key, err);
}

/* With `engine`: the identity that its secrets are kept under; without: the one for facts about
 * engines. */
static int set_who(struct standby *s, const struct conf *c, const struct credentials *creds,
		   const struct mount_info *engine, struct err *err)
{
	_cleanup_free_ char *who = NULL, *full = NULL;
	int r = credentials_who(creds, c, &who, err);

	if (r < 0)
		return r;
	if (engine && asprintf(&full, "%s\nengine %s", who, engine->path) < 0)
		full = NULL;
	if ((engine && !full) || offline_set_who(s->offline, full ? full : who) < 0)
		return err_set(err, ENOMEM, "no memory");
	return 0;
}

int standby_open(struct standby *s, const struct conf *c, const struct credentials *creds,
		 struct err *err)
{
	struct offline_config config = {.path = c->offline,
					.key = &s->key,
					.bytes = c->offline_size,
					.put = keeping_put,
					.get = keeping_get,
					.is_way = keeping_is_way,
					.limit = own_limit(c)};
	int r = c->offline ? offline_open(&config, &s->offline, err) : 0;

	return r == 0 && s->offline ? set_who(s, c, creds, NULL, err) : r;
}

void standby_close(struct standby *s)
{
	offline_close(steal(s->offline));
	store_key_fini(&s->key);
}

int standby_engine_found(struct standby *s, const struct conf *c, const struct credentials *creds,
			 const struct mount_info *engine, struct err *err)
{
	_cleanup_free_ char *text = NULL, *who = NULL;
	int r;

	if (!s->offline)
		return 0;
	r = credentials_who(creds, c, &who, err);
	if (r < 0)
		return r;
	if (asprintf(&text, "%d %s", engine->version, engine->path) < 0)
		return err_set(err, ENOMEM, "no memory");
	r = offline_put_text(s->offline, who, c->source, text, own_limit(c));
	if (r < 0)
		log_warning("the copy for offline use was not written", F_STR("file", c->offline),
			    F_STR("reason", strerror(-r)));
	return set_who(s, c, creds, engine, err);
}

static int understand(const char *text, struct kv_choice *choice)
{
	char *rest;
	unsigned long version = strtoul(text, &rest, 10);

	if (version < 1 || version > 2 || *rest != ' ')
		return -EBADMSG;
	*choice = (struct kv_choice){.version = (int)version, .mount = rest + 1};
	return 0;
}

/* Takes the configuration's engine, or the usual one: "secret" of "secret/app". */
static int guess(const struct conf *c, struct kv_choice *choice, struct err *err)
{
	bool usual = c->env == CONF_ENV_FALLBACK || c->env == CONF_ENV_OVERRIDE;

	if (!strcmp(c->source, "/"))
		return err_prefix(err, "a mount of / needs its server to begin, and");
	if (!c->kv_version && !usual)
		return err_prefix(err, "%s knows nothing of %s for this login, and", c->offline,
				  c->source);
	*choice = (struct kv_choice){.version = c->kv_version ? (int)c->kv_version : 2,
				     .firm = c->kv_version != 0,
				     .mount = c->kv_version ? c->engine : NULL};
	return 0;
}

int standby_engine(struct standby *s, const struct conf *c, const struct credentials *creds,
		   struct vault *v, struct kv_engine *engine, struct err *err)
{
	_cleanup_free_ char *text = NULL, *who = NULL;
	struct kv_choice choice;
	int r = -ENOENT;

	if (s->offline && credentials_who(creds, c, &who, NULL) == 0)
		r = offline_get_text(s->offline, who, c->source, own_limit(c), &text);
	if (r == 0)
		r = understand(text, &choice);
	if (r < 0)
		r = guess(c, &choice, err);
	if (r == 0)
		r = kv_engine_open(v, c->source, &choice, own_limit(c), engine, err);
	return r == 0 && s->offline ? set_who(s, c, creds, &engine->info, err) : r;
}

int standby_engine_none(const char *source, struct kv_engine *engine, struct err *err)
{
	size_t len;

	if (!strcmp(source, "/"))
		source = "";
	len = strcspn(source, "/");
	if (len >= sizeof(engine->info.path))
		return err_set(err, ENAMETOOLONG, "SOURCE is too long");
	memcpy(engine->info.path, source, len);
	engine->info.path[len] = '\0';
	engine->inside = source + len + (source[len] == '/');
	engine->kv = kv_none_new();
	return engine->kv ? 0 : err_set(err, ENOMEM, "no memory");
}

void standby_check_engine(const struct conf *c, struct vault *v, const struct mount_info *engine)
{
	struct mount_info now;
	struct err err = {0};

	if (c->kv_version)
		return; /* the token may not be allowed to ask */
	if (mounts_find(v, c->source, own_limit(c), &now, &err) < 0)
		log_warning("the server does not say what is mounted", F_ERR(&err));
	else if (strcmp(now.path, engine->path) != 0 || now.version != engine->version)
		log_error("the engine is another than was taken for granted: mount again",
			  F_STR("engine", now.path), F_INT("version", now.version));
}

void standby_nobody(struct standby *s)
{
	if (s->offline)
		offline_set_who(s->offline, NULL);
}

void standby_token_replaced(struct standby *s, const struct conf *c,
			    const struct credentials *creds, const struct mount_info *engine)
{
	struct err err = {0};

	if (standby_engine_found(s, c, creds, engine, &err) < 0)
		log_warning("nothing is kept for offline use any more", F_ERR(&err));
}
