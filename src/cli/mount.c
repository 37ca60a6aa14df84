// SPDX-License-Identifier: Apache-2.0
/* vaultfs mount: sets up everything, and takes it down in the reverse order.
 *
 *      configure    layers of options; credentials and variables leave the environment
 *      detach       no dumps; the daemon parts from the command; memory is locked
 *      helpers      forked, without secrets, before there are threads
 *      connect      timers, pool, network, login, engine; or an embedded store
 *      raise        cache, tree, file system, mount
 *      serve        until it is unmounted or gets a signal */

#include "cli/mount.h"

#include "cli/changes.h"
#include "cli/command.h"
#include "cli/credentials.h"
#include "cli/network.h"
#include "cli/standby.h"

#include "auth/session.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/secmem.h"
#include "conf/conf.h"
#include "edit/edit.h"
#include "control/control.h"
#include "fs/fs.h"
#include "fs/helper.h"
#include "host/detach.h"
#include "host/memory.h"
#include "host/mountpoint.h"
#include "host/signals.h"
#include "layer/layers.h"
#include "node/keeping.h"
#include "node/source.h"
#include "kv/kv_local.h"
#include "store/local.h"
#include "vault/reply.h"
#include "vault/servers.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define ARENA_MAX    (256u << 20) /* pages are used on demand; a quarter is for large values */
#define ARENA_ENOUGH (16u << 20)  /* with less the cache is made smaller than configured */

struct mount {
	struct mount_arguments args;
	struct conf conf;
	struct detach detach;
	char *dir; /* absolute */
	struct credentials creds;
	struct standby standby;
	struct layers *layers;
	struct helpers helpers;
	struct signals signals;
	struct timers *timers;
	struct pool *pool;
	struct network network;
	struct session *session;
	struct embedded embedded; /* `file` is NULL for a server */
	struct kv_engine engine;
	struct tree_source source;
	struct changes changes;
	struct cache *cache;
	struct tree *tree;
	struct fs *fs;
	atomic_bool serving;
};

static int check_options(const struct conf *c, struct err *err)
{
	if (c->fast_open && !c->read_only)
		return err_set(err, EINVAL,
			       "fast_open needs ro: opens that we do not see cannot write");
	return c->io_uring ? fs_check_io_uring(err) : 0;
}

static const char *log_target(const struct mount *m)
{
	if (strcmp(m->conf.log, "auto") != 0)
		return m->conf.log;
	return m->args.foreground ? "stderr" : log_journal_available() ? "journal" : "syslog";
}

static bool has_server(const struct mount *m)
{
	return m->conf.env != CONF_ENV_ONLY && !m->embedded.file;
}

/* Takes our identity at the server, or the key of the store. */
static int take_credentials(struct mount *m, struct err *err)
{
	if (local_is_source(m->conf.source))
		return embedded_take(&m->embedded, &m->conf, m->conf.source, err);
	return credentials_find(&m->creds, &m->conf, err);
}

/* Takes the layers beside the server, or instead of it. */
static int take_layers(struct mount *m, struct err *err)
{
	struct layers_config layers = {.mode = (enum layer_mode)m->conf.env,
				       .env_file = m->conf.env_file,
				       .env_map = m->conf.env_map,
				       .defaults = m->conf.defaults};

	return layers_new(&layers, &m->layers, err);
}

/* Finds every mistake that can be found without asking the server. */
static int configure(struct mount *m, struct err *err)
{
	size_t lockable = memory_raise_lock_limit();
	int r;

	wipe_install_openssl();
	r = secmem_init(lockable / 4 * 3 < ARENA_MAX ? lockable / 4 * 3 : ARENA_MAX, err);
	if (r < 0)
		return r;
	json_init();
	memory_no_dumps();
	r = conf_read(&m->conf, m->args.conf_file, m->args.options, err);
	if (r == 0 && m->args.source) {
		free(m->conf.source);
		m->conf.source = strdup(m->args.source);
	}
	if (r == 0)
		r = check_options(&m->conf, err);
	if (r == 0)
		r = conf_set_log_level(&m->conf, err);
	if (r == 0)
		r = log_open(log_target(m), m->conf.log_format, err);
	if (r == 0 && !m->conf.use_vault && m->conf.env == CONF_ENV_ONLY &&
	    local_is_source(m->conf.source))
		m->conf.env = CONF_ENV_OFF; /* a local store uses none */
	if (r == 0 && has_server(m))
		r = take_credentials(m, err);
	else
		m->conf.read_only = true;
	if (r == 0 && has_server(m))
		r = standby_take_key(&m->standby, &m->conf, err);
	if (r == 0)
		r = take_layers(m, err);
	if (r == 0)
		r = mountpoint_check(m->args.dir, &m->dir, err);
	return r;
}

/* Runs between the last fork and the first thread. */
static int settle_process(struct mount *m, struct err *err)
{
	memory_lock();
	if (secmem_lock(err) < 0) {
		if (has_server(m) || m->embedded.file) /* there is a token, or a key */
			return -err->code;
		log_warning("memory for secrets is not locked", F_ERR(err));
		*err = (struct err){0};
	}
	if (credentials_fork(&m->creds, "/", err) < 0 || helpers_start(&m->helpers, err) < 0)
		return -err->code;
	return changes_fork(&m->changes, &m->conf, err);
}

static void on_dead_token(void *arg)
{
	struct mount *m = arg;

	if (m->standby.offline)
		offline_forget(m->standby.offline);
	if (m->tree)
		tree_forget_all(m->tree, EKEYEXPIRED);
}

static void on_other_token(void *arg)
{
	struct mount *m = arg;

	standby_nobody(&m->standby);
	if (m->tree)
		tree_forget_all(m->tree, 0);
	standby_token_replaced(&m->standby, &m->conf, &m->creds, &m->engine.info);
}

/* A mount that began without its server has logged in: from now on requests go there. */
static void on_arrival(void *arg)
{
	struct mount *m = arg;

	log_info("the server is taken up", F_STR("server", m->conf.address));
	standby_check_engine(&m->conf, m->network.vault, &m->engine.info);
}

static void on_terminate(void *arg)
{
	struct mount *m = arg;

	if (!atomic_load(&m->serving)) {
		log_warning("ended before it was ready");
		_exit(EXIT_LOCAL);
	}
	log_info("ending");
	detach_notify("STOPPING=1");
	network_stop(&m->network, m->creds.program);
	fs_stop(m->fs);
}

static void on_reload(void *arg)
{
	struct mount *m = arg;
	struct conf fresh = {0};
	struct err err = {0};

	if (!atomic_load(&m->serving))
		return;
	if (conf_read(&fresh, m->args.conf_file, m->args.options, &err) < 0 ||
	    conf_set_log_level(&fresh, &err) < 0)
		log_warning("the configuration was not read anew", F_ERR(&err));
	conf_fini(&fresh);
	if (has_server(m))
		session_reload(m->session);
	tree_forget_all(m->tree, 0);
	log_info("reloaded");
}

static int start_threads(struct mount *m, struct err *err)
{
	int r;

	signals_block();
	m->signals = (struct signals){.terminate = on_terminate, .reload = on_reload, .arg = m};
	r = signals_start(&m->signals, err);
	if (r < 0)
		return r;
	m->timers = timers_new(err);
	if (!m->timers)
		return -err->code;
	m->pool = pool_new(m->conf.parallel, err);
	return m->pool ? changes_open(&m->changes, err) : -err->code;
}

static int log_in(struct mount *m, struct err *err)
{
	struct session_config session = {.vault = m->network.vault,
					 .method = m->creds.method,
					 .auth = &m->creds.auth,
					 .timers = m->timers,
					 .pool = m->pool,
					 .timeout = m->conf.timeout,
					 .cache = m->creds.cache.path ? &m->creds.cache : NULL,
					 .dead = on_dead_token,
					 .replaced = on_other_token,
					 .arrived = on_arrival,
					 .arg = m};
	struct vault_tokens tokens;

	m->session = session_new(&session, err);
	if (!m->session)
		return -err->code;
	tokens = session_tokens(m->session);
	vault_set_tokens(m->network.vault, &tokens);
	return session_start(m->session, err);
}

static void trim_source(char *source)
{
	for (size_t n = strlen(source); n > 1 && source[n - 1] == '/'; n--)
		source[n - 1] = '\0';
}

static int find_nothing(struct mount *m, struct err *err)
{
	trim_source(m->conf.source);
	return standby_engine_none(m->conf.source, &m->engine, err);
}

/* Whether `r` is an outage that the mount can begin in. */
static bool waits(const struct mount *m, int r)
{
	return r < 0 && reply_is_outage(-r) && standby_may_wait(&m->standby, &m->conf);
}

/* "secret/app" is the engine at "secret" and the path "app" in it; "/" is all engines. `r` is the
 * result of the login. */
static int find_engine(struct mount *m, int r, struct limit limit, struct err *err)
{
	const struct conf *c = &m->conf;

	trim_source(m->conf.source);
	if (r == 0)
		r = network_find_engine(&m->network, c, c->source, limit, &m->engine, err);
	if (r == 0)
		return standby_engine_found(&m->standby, c, &m->creds, &m->engine.info, err);
	if (waits(m, r))
		r = standby_engine(&m->standby, c, &m->creds, m->network.vault, &m->engine, err);
	return r;
}

/* Finds every mistake that the server can tell. */
static int connect_server(struct mount *m, int *status, struct err *err)
{
	struct limit limit = {.deadline = clock_mono() + m->conf.timeout};
	int r = network_open(&m->network, &m->conf, err);

	if (r < 0)
		return r;
	r = standby_open(&m->standby, &m->conf, &m->creds, err);
	if (r < 0)
		return r;
	*status = EXIT_SERVER;
	r = network_check_namespace(&m->network, &m->conf, limit, err);
	if (r == 0 || waits(m, r))
		r = log_in(m, err);
	if (waits(m, r)) {
		session_persist(m->session, err);
		log_warning("no server answers: what is known without it is served", F_ERR(err));
	}
	if (r == 0 || waits(m, r))
		r = find_engine(m, r, limit, err);
	return r;
}

static struct rules rules(const struct mount *m)
{
	return (struct rules){.first = m->conf.rules, .label = m->engine.info.path};
}

static int make_cache(struct mount *m, struct err *err)
{
	struct cache_config cache = {.kinds = tree_cache_kinds,
				     .kind_count = TREE_KINDS,
				     .source = &m->source,
				     .pool = m->pool,
				     .bytes = m->conf.cache_size,
				     .timeout = m->conf.timeout,
				     .timers = m->timers,
				     .refusal_ttl = m->conf.negative_ttl,
				     .max_stale = m->conf.max_stale,
				     .is_outage = reply_is_outage,
				     .ahead = m->conf.parallel - 1};

	if (secmem_arena() && secmem_arena() < ARENA_ENOUGH && cache.bytes > secmem_arena() / 2) {
		cache.bytes = secmem_arena() / 2;
		log_warning("the cache is smaller than cache_size: no more memory may be locked",
			    F_INT("bytes", cache.bytes));
	}
	m->source = (struct tree_source){.kv = m->engine.kv,
					 .vault = m->network.vault,
					 .ttl = m->conf.ttl,
					 .negative_ttl = m->conf.negative_ttl,
					 .offline = m->standby.offline,
					 .rules = rules(m)};
	if (m->standby.offline) {
		cache.keep = keeping_keep;
		cache.recall = keeping_recall;
	}
	m->cache = cache_new(&cache, err);
	m->source.cache = m->cache;
	return m->cache ? 0 : -err->code;
}

static int make_tree(struct mount *m, struct err *err)
{
	const struct conf *c = &m->conf;
	struct tree_config tree = {.kv = m->engine.kv,
				   .control = &control_tree,
				   .session = m->session,
				   .layers = m->layers,
				   .cache = m->cache,
				   .timers = m->timers,
				   .label = m->engine.info.path,
				   .prefix = m->engine.inside,
				   .rules = rules(m),
				   .uid = (uid_t)c->uid,
				   .gid = (gid_t)c->gid,
				   .mode = (mode_t)c->mode,
				   .dir_mode = (mode_t)c->dir_mode,
				   .read_only = c->read_only,
				   .fast_open = c->fast_open,
				   .purge = c->rmdir == CONF_RMDIR_PURGE,
				   .strict = c->conflict == CONF_CONFLICT_STRICT,
				   .newline_strip = c->newline == CONF_NEWLINE_STRIP,
				   .binary_reject = c->binary == CONF_BINARY_REJECT,
				   .scratch = c->scratch,
				   .scratch_max = c->scratch_max,
				   .shared = c->allow_other,
				   .unlink_grace = c->unlink_grace * NS_PER_MS,
				   .pool = m->pool,
				   .ahead = c->parallel - 1,
				   .ttl = c->ttl,
				   .negative_ttl = c->negative_ttl,
				   .timeout = c->timeout,
				   .max_size = c->max_size,
				   .feed = m->changes.feed,
				   .changed = fs_changed,
				   .arg = m->fs};

	m->tree = tree_new(&tree, err);
	return m->tree ? 0 : -err->code;
}

static int start_watch(struct mount *m, struct err *err)
{
	struct watch_config watch = {.tree = m->tree,
				     .timers = m->timers,
				     .pool = m->pool,
				     .vault = m->network.vault,
				     .label = m->engine.info.path};
	return changes_watch(&m->changes, &m->conf, watch, m->dir, err);
}

static int raise_mount(struct mount *m, struct err *err)
{
	const struct conf *c = &m->conf;
	struct fs_config fs = {.pool = m->pool,
			       .timers = m->timers,
			       .helpers = m->helpers,
			       .feed = m->changes.feed,
			       .happened = changes_happened,
			       .arg = &m->changes,
			       .dir = m->dir,
			       .source = c->source,
			       .allow_other = c->allow_other,
			       .auto_unmount = c->auto_unmount,
			       .read_only = c->read_only,
			       .fast_open = c->fast_open,
			       .io_uring = c->io_uring,
			       .timeout = c->timeout};
	int r = make_cache(m, err);
	bool made = false;

	if (r < 0)
		return r;
	m->fs = fs_new(&fs, err);
	if (!m->fs)
		return -err->code;
	r = make_tree(m, err);
	network_report(&m->network, m->tree);
	if (r == 0)
		r = mountpoint_make(m->dir, &made, err);
	if (r == 0)
		r = fs_mount(m->fs, m->tree, err);
	if (r < 0 && made)
		rmdir(m->dir);
	return r < 0 ? r : start_watch(m, err);
}

static int serve(struct mount *m)
{
	int r;

	log_info("mounted", F_STR("source", m->conf.source), F_STR("dir", m->dir),
		 F_STR("server", has_server(m) ? m->conf.address : "none"),
		 F_STR("auth", has_server(m) ? m->creds.method->name : "none"));
	atomic_store(&m->serving, true);
	if (!m->args.foreground)
		detach_session();
	detach_report(&m->detach, EXIT_OK, &(struct err){0});
	detach_notify("READY=1");
	if (!m->args.foreground)
		detach_streams(!strcmp(m->conf.log, "stderr"));
	r = fs_loop(m->fs);
	edit_settle(m->tree);
	network_stop(&m->network, m->creds.program);
	fs_finish(m->fs);
	log_info("unmounted", F_STR("dir", m->dir));
	return r < 0 ? EXIT_LOCAL : EXIT_OK;
}

/* Takes down everything in the reverse order; NULL is fine for parts that were never set up. */
static void take_down(struct mount *m)
{
	if (m->timers)
		signals_stop(&m->signals);
	network_report(&m->network, NULL);
	changes_stop(&m->changes);
	session_stop(m->session);
	timers_stop(m->timers); /* the parts that timers call are taken down from here on */
	pool_free(m->pool);
	fs_free(m->fs);
	timers_free(m->timers);
	changes_end(&m->changes);
	if (m->tree)
		edit_end(m->tree);
	tree_free(m->tree);
	changes_close(&m->changes);
	cache_free(m->cache);
	standby_close(&m->standby);
	kv_free(m->engine.kv);
	if (m->conf.revoke)
		session_revoke(m->session);
	session_free(m->session);
	network_close(&m->network);
	helpers_end(&m->helpers);
	embedded_fini(&m->embedded);
	credentials_fini(&m->creds);
	layers_free(m->layers);
	free(m->dir);
	conf_fini(&m->conf);
}

/* The daemon, from the fork to its end. */
static int run_daemon(struct mount *m, struct err *err)
{
	int status = EXIT_LOCAL;
	int r = settle_process(m, err);

	if (r == 0)
		r = start_threads(m, err);
	if (r == 0)
		r = m->embedded.file ? embedded_mount(&m->embedded, &m->conf, &m->engine, err)
		    : has_server(m)  ? connect_server(m, &status, err)
				     : find_nothing(m, err);
	if (r == 0 && m->layers && layers_set_root(m->layers, m->engine.inside) < 0)
		r = err_set(err, ENOMEM, "no memory");
	if (r == 0) {
		r = raise_mount(m, err);
		status = EXIT_LOCAL;
	}
	return r == 0 ? serve(m) : status;
}

static int fail(struct mount *m, int status, const struct err *err)
{
	if (m->detach.report >= 0)
		detach_report(&m->detach, status, err);
	else
		command_fail(status, "%s", err_text(err));
	return status;
}

int mount_run(const struct mount_arguments *args)
{
	struct mount m = {.args = *args, .detach = {.report = -1}};
	struct err err = {0};
	bool parent = false;
	int status = EXIT_LOCAL;

	if (configure(&m, &err) < 0 ||
	    (!m.args.foreground && detach_fork(&m.detach, &parent, &status, &err) < 0)) {
		fail(&m, status, &err);
	} else if (parent) {
		/* Only the daemon's own first answer proves that it serves. */
		if (status == EXIT_OK && !mountpoint_answers(m.dir))
			status = command_fail(EXIT_LOCAL, "%s is mounted, but does not answer",
					      m.dir);
		else if (status != EXIT_OK)
			command_fail(status, "%s", err_text(&err));
	} else {
		status = run_daemon(&m, &err);
		if (status != EXIT_OK && err.code)
			fail(&m, status, &err);
	}
	take_down(&m);
	return status;
}
