// SPDX-License-Identifier: Apache-2.0
/* Commands that ask the server and end. They are set up as a mount is, without its tree: the same
 * options, environment and logins, the same rules for tokens and values in memory. */

#include "remote/remote.h"

#include "base/cancel.h"
#include "base/json.h"
#include "base/log.h"
#include "base/secmem.h"
#include "host/memory.h"
#include "vault/path.h"
#include "store/local.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ARENA_MAX (1u << 20)

struct limit remote_limit(const struct remote *r)
{
	return (struct limit){.deadline = clock_mono() + r->conf.timeout, .cancel = r->cancel};
}

int remote_wrong(struct remote *r, struct err *err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	err->code = EINVAL;
	r->local = true;
	return -EINVAL;
}

int remote_no_format(struct remote *r, int row, struct err *err)
{
	return remote_wrong(r, err, "no format %s is known: %s", r->flags.value[row],
			    r->command->flags[row].meaning);
}

/* Nobody reads the log of a command but who types it, and he is told what fails anyway. */
static void set_log_level(const struct conf *c)
{
	log_set_level(!strcmp(c->log_level, "debug") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR);
}

int remote_options(struct remote *r, struct err *err)
{
	int s;

	if (r->configured)
		return 0;
	s = conf_read(&r->conf, r->flags.conf_file, r->flags.options, err);

	r->configured = true;
	if (s == 0)
		s = conf_set_log_level(&r->conf, err);
	if (s == 0)
		s = log_open("stderr", r->conf.log_format, err);
	if (s == 0)
		set_log_level(&r->conf);
	return s;
}

int remote_configure(struct remote *r, struct err *err)
{
	int s = remote_options(r, err);

	if (s == 0)
		s = credentials_find(&r->creds, &r->conf, err);
	if (s == 0)
		s = credentials_fork(&r->creds, NULL, err);
	r->local = s < 0;
	return s;
}

int remote_open(struct remote *r, struct err *err)
{
	int s = network_open(&r->network, &r->conf, err);

	r->local = s < 0;
	return s;
}

static void on_token(void *arg)
{
}

int remote_log_in(struct remote *r, struct err *err)
{
	struct session_config session = {.vault = r->network.vault,
					 .method = r->creds.method,
					 .auth = &r->creds.auth,
					 .timeout = r->conf.timeout,
					 .cache = r->creds.cache.path ? &r->creds.cache : NULL,
					 .dead = on_token,
					 .replaced = on_token};
	struct vault_tokens tokens;
	int s = network_check_namespace(&r->network, &r->conf, remote_limit(r), err);

	if (s < 0 || r->session)
		return s < 0 ? s : session_start(r->session, err);
	r->timers = session.timers = timers_new(err);
	r->pool = session.pool = r->timers ? pool_new(1, err) : NULL;
	r->session = r->pool ? session_new(&session, err) : NULL;
	if (!r->session)
		return -err->code;
	r->creds.auth.unasked = r->command->brief && !r->stays;
	tokens = session_tokens(r->session);
	vault_set_tokens(r->network.vault, &tokens);
	return session_start(r->session, err);
}

int remote_reach(struct remote *r, struct err *err)
{
	int s = r->reached ? 0 : remote_options(r, err);

	if (s < 0 || r->reached)
		return s;
	if (r->conf.env == CONF_ENV_ONLY)
		return remote_wrong(
			r, err,
			"env=only (USE_VAULT=no): secrets are in the environment alone, "
			"and no server is asked; -o env=off has it asked");
	s = r->creds.method ? 0 : remote_configure(r, err);
	if (s == 0 && !r->network.vault)
		s = remote_open(r, err);
	if (s == 0)
		s = remote_log_in(r, err);
	r->reached = s == 0;
	return s;
}

int remote_open_engine(struct remote *r, const char *full, struct embedded *e,
		       struct kv_engine *out, struct err *err)
{
	int s;

	if (!local_is_source(full)) {
		s = remote_reach(r, err);
		return s < 0 ? s
			     : network_find_engine(&r->network, &r->conf, full, remote_limit(r),
						   out, err);
	}
	s = remote_options(r, err);
	if (s == 0)
		s = embedded_take(e, &r->conf, full, err);
	if (s == 0)
		s = embedded_open(e, &r->conf, false, false, out, err);
	r->local = s < 0;
	return s;
}

int remote_find_engine(struct remote *r, const char *path, struct err *err)
{
	int s = network_find_engine(&r->network, &r->conf, path, remote_limit(r), &r->engine, err);

	r->kv = r->engine.kv;
	return s;
}

static int find(struct remote *r, int s, struct place *place, struct err *err)
{
	if (s == 0 && !*place->full && !r->command->all_engines)
		s = err_set(err, EINVAL, "/ names nothing to %s: write ENGINE/PATH, secret/app/db",
			    r->command->name);
	if (s == 0 && !local_is_source(place->full))
		s = path_check(place->full, err);
	r->local = s < 0;
	if (s == 0)
		s = remote_open_engine(r, place->full, &r->embedded, &r->engine, err);
	r->kv = r->engine.kv;
	if (s == 0)
		place->path = r->engine.inside;
	return s;
}

int remote_find(struct remote *r, const char *word, struct place *place, struct err *err)
{
	return find(r, place_parse(place, word, err), place, err);
}

int remote_find_version(struct remote *r, const char *word, struct place *place, struct err *err)
{
	return find(r, place_parse_version(place, word, err), place, err);
}

int remote_find_secret(struct remote *r, const char *word, struct place *place, struct err *err)
{
	int s = remote_find(r, word, place, err);

	if (s == 0 && place->field)
		return remote_wrong(r, err, "%s takes a whole secret, %s, and not its field %s",
				    r->command->name, place->full, place->field);
	return s;
}

struct secrets remote_secrets(const struct remote *r, struct kv *kv, const char *label)
{
	return (struct secrets){.kv = kv,
				.rules = {.first = r->conf.rules, .label = label},
				.strict = r->conf.conflict == CONF_CONFLICT_STRICT,
				.timeout = r->conf.timeout};
}

struct limit remote_change_limit(const struct remote *r)
{
	struct limit limit = remote_limit(r);

	limit.deadline += r->conf.timeout;
	return limit;
}

int remote_change(struct remote *r, const struct place *at, const struct secret_change *c,
		  struct secret_outcome *out, struct err *err)
{
	struct secrets secrets = remote_secrets(r, r->kv, r->engine.info.path);
	int s = secrets_change(&secrets, at->path, c, remote_change_limit(r), out, err);

	r->local = out->forbidden;
	if (out->overtaken)
		return err_set(err, EBUSY, "others keep changing %s: nothing was written",
			       at->full);
	if (s == -EBUSY && c->cas != KV_ANY && out->latest >= 0 && out->latest != c->cas)
		return err_set(err, EBUSY,
			       "check-and-set: the latest version of %s is %" PRId64
			       ", not %" PRId64,
			       at->full, out->latest, c->cas);
	return s;
}

/* "version 3 of secret/app/db" */
static const char *name_of(const struct place *at, int64_t number, char *to, size_t room)
{
	if (number)
		snprintf(to, room, "version %" PRId64 " of %s", number, at->full);
	else
		snprintf(to, room, "%s", at->full);
	return to;
}

int remote_read(struct remote *r, const struct place *at, int64_t number, struct kv_version **out,
		struct err *err)
{
	struct kv *kv = r->kv;
	char name[300];
	int s;

	if (kv_traits(kv, at->path) & (KV_ROOT | KV_OUTSIDE))
		return err_set(err, ENOENT, "%s is an engine, and no secret", at->full);
	s = number ? kv->ops->read_version(kv, at->path, number, remote_limit(r), out, err)
		   : kv->ops->read(kv, at->path, remote_limit(r), out, err);
	if (s < 0)
		return s;
	name_of(at, number, name, sizeof(name));
	if ((*out)->state == KV_ABSENT)
		return err_set(err, ENOENT, "there is no %s", name);
	if ((*out)->state == KV_DESTROYED)
		return err_set(err, ENOENT, "%s is destroyed", name);
	if ((*out)->state == KV_DELETED)
		return err_set(err, ENOENT, "%s is deleted (vaultfs undelete %s %" PRId64 ")", name,
			       at->full, (*out)->number);
	return 0;
}

void remote_close(struct remote *r)
{
	session_stop(r->session);
	pool_free(r->pool);
	timers_free(r->timers);
	kv_free(r->kv);
	/* A token that was had for this command alone goes with it. */
	if (r->configured && (r->conf.revoke || !r->creds.cache.path))
		session_revoke(r->session);
	session_free(r->session);
	if (r->network.http)
		network_close(&r->network);
	embedded_fini(&r->embedded);
	credentials_fini(&r->creds);
	conf_fini(&r->conf);
	flags_fini(&r->flags);
}

/* Before anything is in memory that others must not see. */
static int settle_process(struct err *err)
{
	size_t lockable = memory_raise_lock_limit();
	int s;

	wipe_install_openssl();
	s = secmem_init(lockable / 4 * 3 < ARENA_MAX ? lockable / 4 * 3 : ARENA_MAX, err);
	if (s == 0)
		s = secmem_lock(err);
	json_init();
	memory_no_dumps();
	return s;
}

int remote_run(const struct command *c, int least, int most, int argc, char **argv,
	       int (*act)(struct remote *r, struct err *err))
{
	struct remote r = {.command = c};
	struct err err = {0};
	int status = flags_parse(&r.flags, c, least, most, argc, argv);

	if (status == EXIT_OK) {
		r.local = true;
		status = settle_process(&err);
		if (status == 0) {
			r.local = false;
			status = act(&r, &err);
		}
	}
	if (status < 0)
		status = command_fail(r.local || status == -ENOMEM ? EXIT_LOCAL : EXIT_SERVER, "%s",
				      err_text(&err));
	remote_close(&r);
	return status;
}

int remote_read_file(struct remote *r, const char *file, size_t max, struct buf *to,
		     struct err *err)
{
	_cleanup_close_ int own = strcmp(file, "-") ? open(file, O_RDONLY | O_CLOEXEC) : -1;
	int fd = strcmp(file, "-") ? own : STDIN_FILENO;
	int s = fd < 0 ? -errno : buf_read(to, fd, max);

	if (s == -ENOMEM)
		return err_set(err, ENOMEM, "no memory for %s", file);
	if (s == -EFBIG)
		return remote_wrong(r, err, "%s is too large", file);
	return s < 0 ? remote_wrong(r, err, "cannot read %s: %s", file, strerror(-s)) : 0;
}
