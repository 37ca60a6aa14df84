// SPDX-License-Identifier: Apache-2.0
/* What was configured to be done on changes.
 *
 *      hooks_happened() --> due, by section and path --> runner --> how it ended, into the log
 *                             ^        |
 *                             '--------'  changed again while it was due: one more field, a later version
 *
 * A thread of its own does it, since nobody may wait for a command. */

#include "watch/hooks.h"

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "watch/runner.h"

#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utlist.h>

#define DUE_MAX	     4096
#define FIELDS_BYTES 65536 /* a variable may have twice as many: MAX_ARG_STRLEN of execve(2) */
#define FULL_PAUSE   (50 * NS_PER_MS)

/* What a section has to do, and has done, for one path. */
struct due {
	struct due *prev, *next;
	const struct on_change *hook;
	struct event *event; /* to be acted on; NULL: there is nothing to do */
	uint64_t after;	     /* clock_mono(): not before this */
	uint32_t id;	     /* of the run; 0: it does not run */
	char path[];	     /* in the engine */
};

struct hooks {
	struct hooks_config config;
	pthread_t thread;
	int wake;	  /* eventfd */
	struct lock lock; /* guards all below */
	struct due *all;
	size_t count;
	uint32_t last_id;
	bool stop, broken;
};

static bool matches(const struct on_change *hook, const char *label, const char *path)
{
	_cleanup_free_ char *full = NULL;

	if (fnmatch(hook->pattern, path, 0) == 0)
		return true;
	return asprintf(&full, "%s/%s", label, path) >= 0 && fnmatch(hook->pattern, full, 0) == 0;
}

bool hooks_want(const struct on_change *list, const char *label, const char *path)
{
	for (const struct on_change *hook = list; hook; hook = hook->next)
		if (matches(hook, label, path))
			return true;
	return false;
}

static void wake(struct hooks *h)
{
	uint64_t one = 1;

	if (write(h->wake, &one, sizeof(one)) < 0)
		return; /* it is awake */
}

static struct due *find_locked(struct hooks *h, const struct on_change *hook, const char *path)
{
	LOCK_HELD(&h->lock);
	struct due *d;

	DL_FOREACH (h->all, d)
		if (d->hook == hook && !strcmp(d->path, path))
			return d;
	d = h->count < DUE_MAX ? calloc(1, sizeof(*d) + strlen(path) + 1) : NULL;
	if (!d)
		return NULL;
	d->hook = hook;
	strcpy(d->path, path);
	h->count++;
	DL_APPEND(h->all, d);
	return d;
}

static struct event *copy_event(const struct event *e)
{
	struct event *copy = event_new(e->kind, e->path, e->secret, e->version, e->local);

	for (size_t i = 0; copy && i < e->count; i++)
		if (event_add_field(copy, e->fields[i]) < 0)
			break;
	return copy;
}

static void join_event(struct event *to, const struct event *e)
{
	to->version = e->version;
	to->kind = e->kind;
	for (size_t i = 0; i < e->count; i++) {
		bool known = false;

		for (size_t k = 0; k < to->count; k++)
			known = known || !strcmp(to->fields[k], e->fields[i]);
		if (!known && event_add_field(to, e->fields[i]) < 0)
			return;
	}
}

static void add_locked(struct hooks *h, const struct on_change *hook, const struct event *e)
{
	LOCK_HELD(&h->lock);
	struct due *d = find_locked(h, hook, e->secret);

	if (d && d->event)
		join_event(d->event, e);
	else if (d)
		d->event = copy_event(e);
	if (!d || !d->event)
		log_warning("change not acted on: too much is due", F_STR("path", e->secret),
			    F_STR("pattern", hook->pattern));
}

void hooks_happened(struct hooks *h, const struct event *e)
{
	if (!h)
		return;
	lock_acquire(&h->lock);
	for (const struct on_change *hook = h->config.list; hook; hook = hook->next)
		if (matches(hook, h->config.label, e->secret))
			add_locked(h, hook, e);
	lock_release(&h->lock);
	wake(h);
}

/* What a command is given: where it finds programs and who it is for, and what has changed. */
struct environment {
	char *all[16];
	size_t count;
	bool failed;
};

static _printf_(2, 3) void add_variable(struct environment *e, const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	if (e->count + 1 < ARRAY_SIZE(e->all) && vasprintf(&text, fmt, ap) >= 0)
		e->all[e->count++] = text;
	else
		e->failed = true;
	va_end(ap);
}

/* A line feed in a name must not begin another line. '%' stands in a name only where the name itself is
 * escaped ("%2F"), never before "0A": the names can be had back. */
static void add_line(struct buf *to, const char *name)
{
	if (to->len)
		buf_add(to, "\n", 1);
	for (; *name; name++)
		if (*name == '\n')
			buf_add_str(to, "%0A");
		else
			buf_add(to, name, 1);
}

/* The fields of an event that there is room for, a line each; how many were left out. */
static size_t add_lines(struct buf *to, const struct event *e)
{
	for (size_t i = 0; i < e->count; i++) {
		size_t before = to->len;

		add_line(to, e->fields[i]);
		if (to->len <= FIELDS_BYTES)
			continue;
		buf_resize(to, before);
		return e->count - i;
	}
	return 0;
}

static void fill_environment(const struct hooks *h, const struct event *e, struct environment *to)
{
	static const char *const kept[] = {"PATH", "HOME", "USER",  "LOGNAME",
					   "LANG", "TZ",   "TMPDIR"};
	_cleanup_buf_ struct buf fields = {0};
	size_t omitted = add_lines(&fields, e);

	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		if (getenv(kept[i]))
			add_variable(to, "%s=%s", kept[i], getenv(kept[i]));
	to->failed |= buf_status(&fields) < 0;
	add_variable(to, "VAULTFS_PATH=%s%s%s", h->config.label, *h->config.label ? "/" : "",
		     e->secret);
	add_variable(to, "VAULTFS_DIR=%s%s", h->config.dir, e->path);
	add_variable(to, "VAULTFS_VERSION=%" PRId64, e->version);
	add_variable(to, "VAULTFS_KIND=%s", event_kind_name(e->kind));
	add_variable(to, "VAULTFS_FIELDS=%s", fields.data ? fields.data : "");
	add_variable(to, "VAULTFS_FIELDS_OMITTED=%zu", omitted);
}

static int start(struct hooks *h, const struct on_change *hook, uint32_t id, const struct event *e)
{
	struct environment environment = {0};
	char *const shell[] = {(char *)"/bin/sh", (char *)"-c", hook->run, NULL};
	char **words = NULL;
	struct runner_task task = {.id = id,
				   .signal = hook->signal,
				   .pid_file = hook->pid_file,
				   .environment = environment.all,
				   .timeout = hook->timeout};
	int r = 0;

	fill_environment(h, e, &environment);
	if (hook->run && !hook->shell)
		r = on_change_words(hook->run, &words);
	task.words = words ? (char *const *)words : shell;
	if (r == 0)
		r = environment.failed ? -ENOMEM : runner_start(h->config.runner, &task);
	on_change_words_free(words);
	for (size_t i = 0; i < environment.count; i++)
		free(environment.all[i]);
	return r;
}

static bool is_busy_locked(const struct hooks *h, const struct on_change *hook)
{
	LOCK_HELD(&h->lock);
	const struct due *d;

	DL_FOREACH (h->all, d)
		if (d->hook == hook && d->id)
			return true;
	return false;
}

static void log_start(const struct due *d, int r)
{
	struct err err = {.code = -r};

	if (r < 0)
		log_warning("change not acted on", F_STR("path", d->path),
			    F_STR("pattern", d->hook->pattern), F_ERR(&err));
	else
		log_info("acting on a change", F_STR("path", d->path),
			 F_STR("pattern", d->hook->pattern), F_INT("version", d->event->version));
}

/* Starts what is due, and forgets what has nothing more to do; when to look again, 0 for when told. */
static uint64_t start_due_locked(struct hooks *h, uint64_t now)
{
	LOCK_HELD(&h->lock);
	struct due *d, *next;
	uint64_t again = 0;

	DL_FOREACH_SAFE (h->all, d, next) {
		int r;

		if (!d->event && !d->id && now >= d->after) {
			DL_DELETE(h->all, d);
			h->count--;
			free(d);
			continue;
		}
		if (!d->event || is_busy_locked(h, d->hook))
			continue;
		if (now < d->after) {
			again = !again || d->after < again ? d->after : again;
			continue;
		}
		r = start(h, d->hook, ++h->last_id, d->event);
		if (r == -EAGAIN) {
			/* The runner has not taken what it was sent before. */
			again = now + FULL_PAUSE;
			break;
		}
		log_start(d, r);
		d->id = r == 0 ? h->last_id : 0;
		d->after = now + d->hook->interval;
		event_free(d->event);
		d->event = NULL;
	}
	return again;
}

static void log_end(const struct due *d, const struct runner_end *end)
{
	struct err err = {0};

	if (end->error)
		err_set(&err, end->error, "it could not be begun: %s", strerror(end->error));
	else if (end->late)
		err_set(&err, ETIMEDOUT, "it took too long, and was ended");
	else if (WIFSIGNALED(end->how))
		err_set(&err, EIO, "signal %d ended it", WTERMSIG(end->how));
	else if (WEXITSTATUS(end->how) != 0)
		err_set(&err, EIO, "it ended with status %d", WEXITSTATUS(end->how));
	if (err.code)
		log_warning("acting on a change failed", F_STR("path", d->path),
			    F_STR("pattern", d->hook->pattern), F_ERR(&err));
	else
		log_info("acted on a change", F_STR("path", d->path),
			 F_STR("pattern", d->hook->pattern), F_INT("status", 0));
}

static void take_ends_locked(struct hooks *h)
{
	LOCK_HELD(&h->lock);
	struct runner_end end;
	struct due *d;
	int r;

	while ((r = runner_next(h->config.runner, &end)) > 0) {
		DL_FOREACH (h->all, d) {
			if (d->id != end.id)
				continue;
			d->id = 0;
			log_end(d, &end);
		}
	}
	if (r < 0 && !h->broken && !h->stop)
		log_warning("the process that runs commands has ended: changes are not acted on");
	h->broken = h->broken || r < 0;
}

static void *hooks_main(void *arg)
{
	struct hooks *h = arg;
	uint64_t again = 0, ignored;

	for (;;) {
		struct pollfd fds[] = {
			{.fd = h->wake, .events = POLLIN},
			{.fd = h->broken ? -1 : runner_fd(h->config.runner), .events = POLLIN}};
		uint64_t now = clock_mono();
		int left = again == 0	  ? -1
			   : again <= now ? 0
					  : (int)((again - now) / NS_PER_MS) + 1;

		poll(fds, 2, left);
		if (fds[0].revents && read(h->wake, &ignored, sizeof(ignored)) < 0)
			continue;
		LOCK_SCOPE(&h->lock);
		if (h->stop)
			return NULL;
		take_ends_locked(h);
		again = h->broken ? 0 : start_due_locked(h, clock_mono());
	}
}

struct hooks *hooks_new(const struct hooks_config *config, struct err *err)
{
	struct hooks *h = calloc(1, sizeof(*h));
	int r = ENOMEM;

	if (h) {
		h->config = *config;
		lock_init(&h->lock, LOCK_HOOKS);
		h->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		r = h->wake < 0 ? errno : pthread_create(&h->thread, NULL, hooks_main, h);
	}
	if (r == 0)
		return h;
	err_set(err, r, "cannot start the thread that acts on changes: %s", strerror(r));
	free(h);
	return NULL;
}

void hooks_free(struct hooks *h)
{
	struct due *d, *next;

	if (!h)
		return;
	lock_acquire(&h->lock);
	h->stop = true;
	lock_release(&h->lock);
	wake(h);
	pthread_join(h->thread, NULL);
	DL_FOREACH_SAFE (h->all, d, next) {
		event_free(d->event);
		free(d);
	}
	close(h->wake);
	lock_fini(&h->lock);
	free(h);
}
