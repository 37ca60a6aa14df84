// SPDX-License-Identifier: Apache-2.0
/* vaultfs local: operations on an embedded store as a whole. An export holds all values in the
 * clear: it goes to a new file that only its owner may read, or to a pipe, and never to a
 * screen. */

#include "cmd/admin/admin_commands.h"

#include "base/clock.h"
#include "base/json.h"
#include "kv/kv_local.h"
#include "remote/remote.h"
#include "store/local.h"
#include "vault/path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define EXPORT_MAX ((size_t)1 << 30)

enum { NEW_KEY };

static const struct flag flags[] = {
	[NEW_KEY] = {0, "new-key", "KEY", "of rekey: as key= of mount"},
	{0},
};

struct work {
	struct remote *r;
	struct embedded at;
	struct local *store;
	struct limit limit;
};

static int open_store(struct work *w, bool create, bool alone, struct err *err)
{
	_cleanup_free_ char *source = NULL;
	const char *file = w->r->flags.words[1];
	int s = remote_options(w->r, err);

	if (s == 0 &&
	    asprintf(&source, "%s%s", local_is_source(file) ? "" : LOCAL_SOURCE, file) < 0)
		s = err_set(err, ENOMEM, "no memory");
	if (s == 0)
		s = embedded_take(&w->at, &w->r->conf, source, err);
	if (s == 0 && *w->at.path)
		s = err_set(err, EINVAL, "%s is no file", file);
	w->limit.deadline = clock_mono() + w->r->conf.timeout;
	return s < 0 ? s
		     : embedded_open_store(&w->at, &w->r->conf, create, alone, true, &w->store,
					   err);
}

static int write_text(int fd, const struct buf *text, const char *name, struct err *err)
{
	for (size_t at = 0; at < text->len;) {
		ssize_t n = write(fd, text->data + at, text->len - at);

		if (n < 0 && errno != EINTR)
			return err_set(err, errno, "cannot write %s: %s", name, strerror(errno));
		at += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int export_to(const char *name, const struct buf *text, struct err *err)
{
	_cleanup_close_ int fd = -1;
	int s;

	if (!strcmp(name, "-")) {
		if (isatty(STDOUT_FILENO))
			return err_set(err, EINVAL,
				       "an export holds all values: it goes to a file or a pipe, "
				       "not to a terminal");
		return write_text(STDOUT_FILENO, text, "standard output", err);
	}
	fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_set(err, errno, "cannot make %s: %s", name, strerror(errno));
	s = write_text(fd, text, name, err);
	if (s == 0 && fsync(fd) < 0)
		s = err_set(err, errno, "cannot write %s: %s", name, strerror(errno));
	if (s < 0)
		unlink(name);
	return s;
}

static int export_all(struct work *w, const char *name, struct err *err)
{
	_cleanup_json_ cJSON *all = NULL;
	_cleanup_buf_ struct buf text = {0};
	int s = open_store(w, false, false, err);

	if (s == 0)
		s = local_export(w->store, w->limit, &all, err);
	if (s == 0 && json_print(all, true, &text) < 0)
		s = err_set(err, ENOMEM, "no memory");
	buf_add(&text, "\n", 1);
	return s < 0 ? s : export_to(name, &text, err);
}

static int read_all(const char *name, struct buf *text, struct err *err)
{
	_cleanup_close_ int fd = strcmp(name, "-") ? open(name, O_RDONLY | O_CLOEXEC) : dup(0);
	int s = fd < 0 ? -errno : buf_read(text, fd, EXPORT_MAX);

	if (s == -ENOMEM)
		return err_set(err, ENOMEM, "no memory");
	if (s == -EFBIG)
		return err_set(err, EFBIG, "%s is too long", name);
	return s < 0 ? err_set(err, -s, "cannot read %s: %s", name, strerror(-s)) : 0;
}

/* Refuses paths that a mount could not show, or that nobody could change. */
static int check_paths(const cJSON *all, const char *name, struct err *err)
{
	const cJSON *secrets = json_get(all, "secrets");

	for (const cJSON *s = secrets ? secrets->child : NULL; s; s = s->next)
		if (s->string && path_check_exact(s->string, err) < 0)
			return err_prefix(err, "%s: \"%s\"", name, s->string);
	return 0;
}

static int import_all(struct work *w, const char *name, struct err *err)
{
	_cleanup_json_ cJSON *all = NULL;
	_cleanup_buf_ struct buf text = {0};
	struct json_where where = {0};
	size_t count;
	int s = read_all(name, &text, err);

	if (s == 0 && json_parse(text.data ? text.data : "", text.len, &all, &where) < 0)
		s = err_set(err, EINVAL, "%s: line %zu, column %zu: %s", name, where.line,
			    where.column, where.what ? where.what : "no memory");
	if (s == 0)
		s = check_paths(all, name, err);
	if (s == 0)
		s = open_store(w, true, false, err);
	if (s == 0)
		s = local_import(w->store, all, w->limit, &count, err);
	if (s == 0)
		printf("%zu secrets\n", count);
	return s;
}

static int rekey(struct work *w, struct err *err)
{
	const char *spec = w->r->flags.value[NEW_KEY];
	_cleanup_store_key_ struct store_key key = {0};
	int s;

	if (!spec)
		return err_set(err, EINVAL, "rekey needs --new-key KEY");
	s = store_key_read("--new-key", spec, &key, err);
	if (s == 0)
		s = open_store(w, false, true, err);
	return s < 0 ? s : local_rekey(w->store, &key, err);
}

static int local(struct remote *r, struct err *err)
{
	const char *verb = r->flags.words[0], *file = r->flags.count > 2 ? r->flags.words[2] : "-";
	struct work w = {.r = r};
	int s;

	r->local = true;
	if (!strcmp(verb, "export"))
		s = export_all(&w, file, err);
	else if (!strcmp(verb, "import"))
		s = import_all(&w, file, err);
	else if (!strcmp(verb, "rekey") && r->flags.count == 2)
		s = rekey(&w, err);
	else
		s = err_set(err, EINVAL, "expected export, import or rekey, and a file");
	local_close(w.store);
	embedded_fini(&w.at);
	return s;
}

static int local_run(int argc, char **argv)
{
	return remote_run(&command_local, 2, 3, argc, argv, local);
}

static void help(void)
{
	printf("\n  export FILE [TO]         all secrets with their versions as JSON, to a new "
	       "file or\n"
	       "                           to a pipe\n"
	       "  import FILE [FROM]       takes such an export in\n"
	       "  rekey FILE               seals everything with --new-key\n\n"
	       "  -c FILE                  as for mount\n"
	       "  -o OPT,...               as for mount: key=\n");
}

const struct command command_local = {
	.name = "local",
	.usage = "export|import|rekey [OPTION...] FILE [TO|FROM]",
	.summary = "Exports, imports or rekeys a local store",
	.help = help,
	.flags = flags,
	.run = local_run,
};
