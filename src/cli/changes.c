// SPDX-License-Identifier: Apache-2.0
/* The part of a mount that watches for changes and reports them: set up and taken down. */

#include "cli/changes.h"

#include "event/feed.h"
#include "watch/hooks.h"
#include "watch/runner.h"

#include <errno.h>

int changes_fork(struct changes *c, const struct conf *conf, struct err *err)
{
	if (!conf->hooks)
		return 0;
	c->runner = runner_new(err);
	return c->runner ? 0 : -err->code;
}

int changes_open(struct changes *c, struct err *err)
{
	c->feed = feed_new();
	return c->feed ? 0 : err_set(err, ENOMEM, "no memory for events");
}

void changes_happened(void *arg, const struct event *e)
{
	struct changes *c = arg;

	feed_add(c->feed, e);
	hooks_happened(c->hooks, e);
}

int changes_watch(struct changes *c, const struct conf *conf, struct watch_config config,
		  const char *dir, struct err *err)
{
	struct hooks_config hooks = {
		.list = conf->hooks, .runner = c->runner, .label = config.label, .dir = dir};

	config.interval = conf->env == CONF_ENV_ONLY ? 0 : conf->watch;
	config.timeout = conf->timeout;
	config.rate = (unsigned)conf->rate;
	config.parallel = (unsigned)conf->parallel;
	config.hooks = conf->hooks;
	if (c->runner) {
		c->hooks = hooks_new(&hooks, err);
		if (!c->hooks)
			return -err->code;
	}
	c->watch = watch_new(&config, err);
	return c->watch ? 0 : -err->code;
}

void changes_stop(struct changes *c)
{
	watch_stop(c->watch);
}

void changes_end(struct changes *c)
{
	watch_free(c->watch);
}

void changes_close(struct changes *c)
{
	hooks_free(c->hooks);
	runner_free(c->runner);
	feed_free(c->feed);
}
