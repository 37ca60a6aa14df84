// SPDX-License-Identifier: Apache-2.0
/* vaultfs edit: all fields as JSON in an editor, and one check-and-set write of what comes of it.
 *
 *      latest --> file --> editor --> write with its number --> a new version
 *                  ^                     |
 *                  |                     | somebody else was first: his fields are taken over; what
 *                  '---------------------' both have changed is shown side by side
 *
 * The file is in a directory of its own, in memory: a disk keeps what is deleted. Editors leave copies
 * beside it, which go with it. */

#include "cmd/kv/kv_commands.h"

#include "cli/help.h"
#include "host/child.h"
#include "cli/print.h"
#include "remote/remote.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#define THEIRS	   "<<< " /* how the names of members begin that show what others wrote */
#define FILE_NAME  "secret.json"
#define NAME_TRIES 100

/* Where it is: descriptors are used for all that we do, so that nobody can put another directory in its
 * place; the path is for the editor. */
struct sheet {
	int base, dir;	     /* -1 where there is none */
	char name[40];	     /* of the directory, in the base */
	char path[PATH_MAX]; /* of the file in it */
};

/* Whether nobody but root and us can put something else in the place of what is in it. */
static bool is_safe(const struct stat *st)
{
	return (st->st_uid == 0 || st->st_uid == geteuid()) &&
	       (!(st->st_mode & (S_IWGRP | S_IWOTH)) || (st->st_mode & S_ISVTX));
}

/* And the same of all directories above it. */
static bool is_safe_way(int dir)
{
	_cleanup_close_ int at = fcntl(dir, F_DUPFD_CLOEXEC, 0);
	struct stat st, above;

	if (at < 0 || fstat(at, &st) < 0)
		return false;
	for (;;) {
		int up;

		if (!is_safe(&st))
			return false;
		up = openat(at, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (up < 0)
			return false;
		close(at);
		at = up;
		if (fstat(at, &above) < 0)
			return false;
		if (above.st_dev == st.st_dev && above.st_ino == st.st_ino)
			return true;
		st = above;
	}
}

/* A directory in memory in which we may make one. */
static int open_base(const char *path)
{
	_cleanup_close_ int fd = path ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	struct statfs fs;
	int out;

	if (fd < 0 || fstatfs(fd, &fs) < 0 ||
	    (fs.f_type != TMPFS_MAGIC && fs.f_type != RAMFS_MAGIC) ||
	    faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) < 0 || !is_safe_way(fd))
		return -1;
	out = fd;
	fd = -1;
	return out;
}

/* The base's own path, without links that may change. */
static int name_path(struct sheet *s)
{
	char link[40], base[PATH_MAX];
	ssize_t n;
	int len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", s->base);
	n = readlink(link, base, sizeof(base) - 1);
	if (n <= 0)
		return -1;
	base[n] = '\0';
	len = snprintf(s->path, sizeof(s->path), "%s/%s/" FILE_NAME, base, s->name);
	return len < (int)sizeof(s->path) ? 0 : -1;
}

static int make_in(struct sheet *s, const char *base)
{
	uint64_t number;

	s->base = open_base(base);
	if (s->base < 0)
		return -1;
	for (unsigned tries = 0; tries < NAME_TRIES; tries++) {
		if (getrandom(&number, sizeof(number), 0) != sizeof(number))
			break;
		snprintf(s->name, sizeof(s->name), "vaultfs-edit-%016" PRIx64, number);
		if (mkdirat(s->base, s->name, 0700) == 0) {
			s->dir = openat(s->base, s->name,
					O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			if (s->dir >= 0 && name_path(s) == 0)
				return 0;
			unlinkat(s->base, s->name, AT_REMOVEDIR);
			break;
		}
		if (errno != EEXIST)
			break;
	}
	if (s->dir >= 0)
		close(s->dir);
	close(s->base);
	s->base = s->dir = -1;
	return -1;
}

static int sheet_make(struct sheet *s, struct remote *r, struct err *err)
{
	const char *const dirs[] = {getenv("XDG_RUNTIME_DIR"), "/dev/shm", "/run", "/tmp"};

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		if (make_in(s, dirs[i]) == 0)
			return 0;
	return remote_wrong(r, err,
			    "there is no directory in memory (tmpfs) to edit in, of root or of "
			    "yours: set XDG_RUNTIME_DIR");
}

static void sheet_close(struct sheet *s)
{
	if (s->dir >= 0)
		close(s->dir);
	if (s->base >= 0)
		close(s->base);
	s->base = s->dir = -1;
}

static void sheet_remove(struct sheet *s)
{
	int fd = s->dir >= 0 ? fcntl(s->dir, F_DUPFD_CLOEXEC, 0) : -1;
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *e;

	while (d && (e = readdir(d)))
		unlinkat(s->dir, e->d_name, 0);
	if (d)
		closedir(d);
	if (s->dir >= 0)
		unlinkat(s->base, s->name, AT_REMOVEDIR);
	sheet_close(s);
}

static int sheet_write(const struct sheet *s, const struct buf *text, struct remote *r,
		       struct err *err)
{
	_cleanup_close_ int fd = -1;
	size_t done = 0;
	ssize_t n;

	unlinkat(s->dir, FILE_NAME, 0); /* of the round before */
	fd = openat(s->dir, FILE_NAME, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	n = fd < 0 ? -1 : 0;
	while (n >= 0 && done < text->len) {
		n = write(fd, text->data + done, text->len - done);
		done += n > 0 ? (size_t)n : 0;
	}
	return n < 0 ? remote_wrong(r, err, "cannot write %s: %s", s->path, strerror(errno)) : 0;
}

static int sheet_read(const struct sheet *s, struct buf *text, struct remote *r, struct err *err)
{
	_cleanup_close_ int fd =
		openat(s->dir, FILE_NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	int n = fd < 0 ? -errno : buf_read(text, fd, SIZE_MAX);

	if (n == -ENOMEM)
		return err_set(err, ENOMEM, "no memory");
	return n < 0 ? remote_wrong(r, err, "cannot read %s: %s", s->path, strerror(-n)) : 0;
}

/* Starts it with the signals of a terminal as it expects them; we go on without. */
static int spawn_editor(const char *script, const char *path, pid_t *pid)
{
	const char *const argv[] = {"sh", "-c", script, "sh", path, NULL};
	extern char **environ;
	posix_spawnattr_t attr;
	sigset_t set;
	int s;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigdefault(&attr, &set);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF);
	for (int i = 1; i < 32; i++)
		if (sigismember(&set, i))
			signal(i, SIG_IGN);
	s = child_spawn(pid, "/bin/sh", &attr, (char *const *)argv, environ);
	posix_spawnattr_destroy(&attr);
	return s;
}

static int run_editor(const struct sheet *sheet, struct remote *r, struct err *err)
{
	const char *editor = getenv("VISUAL");
	_cleanup_free_ char *script = NULL;
	int status = 0, s;
	pid_t pid;

	if (!editor || !*editor)
		editor = getenv("EDITOR");
	if (!editor || !*editor)
		editor = "vi";
	if (asprintf(&script, "exec %s \"$1\"", editor) < 0)
		return err_set(err, ENOMEM, "no memory");
	s = spawn_editor(script, sheet->path, &pid);
	if (s < 0)
		return remote_wrong(r, err, "cannot start %s: %s", editor, strerror(-s));
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return remote_wrong(r, err, "%s failed: nothing was written", editor);
	return 0;
}

struct edit {
	struct remote *r;
	struct place at;
	struct sheet sheet;
	struct kv_version *base; /* what the draft is based on */
	cJSON *draft;
	unsigned conflicts;
	bool edited; /* the draft is what somebody has written */
};

static int add_member(cJSON *object, const struct kv_field *f)
{
	return json_add(object, f->name, f->name_len, kv_field_json(f));
}

/* "<<< password, in version 5", beside ours. */
static int add_theirs(struct edit *e, cJSON *object, const char *name, size_t len,
		      const struct kv_field *theirs, int64_t number)
{
	_cleanup_buf_ struct buf label = {0};

	e->conflicts++;
	buf_add_str(&label, THEIRS);
	buf_add(&label, name, len);
	if (kv_traits(e->r->kv, e->at.path) & KV_FLAT)
		buf_add_str(&label, ", at the server");
	else
		buf_printf(&label, ", in version %" PRId64, number);
	if (buf_status(&label) < 0)
		return -ENOMEM;
	return json_add(object, label.data, label.len,
			theirs ? kv_field_json(theirs) : cJSON_CreateNull());
}

/* One field of the three. */
static int merge_field(struct edit *e, cJSON *to, const struct kv_version *mine,
		       const struct kv_version *theirs, const char *name, size_t len)
{
	const struct kv_field *b = kv_version_field(e->base, name, len);
	const struct kv_field *m = kv_version_field(mine, name, len);
	const struct kv_field *t = kv_version_field(theirs, name, len);
	int s = 0;

	if (kv_field_equal(b, m))
		return t ? add_member(to, t) : 0;
	if (m)
		s = add_member(to, m);
	if (s == 0 && !kv_field_equal(b, t) && !kv_field_equal(m, t))
		s = add_theirs(e, to, name, len, t, theirs->number);
	return s;
}

/* The draft on top of what others have made meanwhile, which becomes its base. */
static int merge(struct edit *e, const struct kv_version *mine, struct err *err)
{
	_cleanup_json_ cJSON *merged = cJSON_CreateObject();
	struct kv_version *theirs = NULL;
	int s = e->r->kv->ops->read(e->r->kv, e->at.path, remote_limit(e->r), &theirs, err);

	if (s < 0)
		return s;
	e->conflicts = 0;
	for (size_t i = 0; s == 0 && i < theirs->count; i++)
		s = merge_field(e, merged, mine, theirs, theirs->fields[i].name,
				theirs->fields[i].name_len);
	for (size_t i = 0; s == 0 && i < mine->count; i++)
		if (!kv_version_field(theirs, mine->fields[i].name, mine->fields[i].name_len))
			s = merge_field(e, merged, mine, theirs, mine->fields[i].name,
					mine->fields[i].name_len);
	object_put(e->base);
	e->base = theirs;
	cJSON_Delete(e->draft);
	e->draft = steal(merged);
	return s < 0 ? err_set(err, ENOMEM, "no memory") : 0;
}

/* Leaves out the variables of other layers, which are shown but not written. A field may have the
 * name of their member. */
static void drop_theirs(const struct edit *e)
{
	cJSON *next;

	for (cJSON *item = e->conflicts ? e->draft->child : NULL; item; item = next) {
		size_t len = json_key_len(item);
		_cleanup_free_ char *name = malloc(len + 1);

		next = item->next;
		if (!name || strncmp(item->string, THEIRS, strlen(THEIRS)) != 0)
			continue;
		json_key_copy(item, name);
		if (!kv_version_field(e->base, name, len))
			cJSON_Delete(cJSON_DetachItemViaPointer(e->draft, item));
	}
}

static bool wants_another_try(void)
{
	char answer[16] = "";

	if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
		return false;
	fprintf(stderr, "Edit it again? [Y/n] ");
	return fgets(answer, sizeof(answer), stdin) && *answer != 'n' && *answer != 'N';
}

/* The draft as the editor leaves it. 1 where nothing was changed. */
static int edit_draft(struct edit *e, bool first, struct err *err)
{
	_cleanup_buf_ struct buf before = {0};
	int s = json_print(e->draft, true, &before);

	buf_add_str(&before, "\n");
	if (s < 0 || buf_status(&before) < 0)
		return err_set(err, ENOMEM, "no memory");
	s = sheet_write(&e->sheet, &before, e->r, err);
	while (s == 0) {
		_cleanup_buf_ struct buf after = {0};
		struct json_where where = {0};
		cJSON *json = NULL;

		s = run_editor(&e->sheet, e->r, err);
		if (s == 0)
			s = sheet_read(&e->sheet, &after, e->r, err);
		if (s < 0)
			return s;
		if (first && after.len == before.len && !memcmp(after.data, before.data, after.len))
			return 1;
		s = json_parse(after.data ? after.data : "", after.len, &json, &where);
		if (s == 0 && cJSON_IsObject(json)) {
			cJSON_Delete(e->draft);
			e->draft = json;
			return 0;
		}
		cJSON_Delete(json);
		remote_wrong(e->r, err, "line %zu, column %zu: %s; nothing was written", where.line,
			     where.column, s < 0 ? where.what : "this is no object");
		fprintf(stderr, "vaultfs: %s\n", err_text(err));
		s = wants_another_try() ? 0 : -EINVAL;
	}
	return s;
}

/* Makes the version that the draft turns the base into. */
static int apply_draft(struct edit *e, struct kv_version **out, struct err *err)
{
	_cleanup_object_ struct kv_version *doc = NULL;
	_cleanup_free_ struct kv_change *changes = NULL;
	int s = kv_version_parse(e->draft, NULL, &doc);

	if (s == -EIO)
		return remote_wrong(e->r, err, "a name stands there twice; nothing was written");
	if (s == 0)
		changes = kv_version_changes(doc, e->base);
	if (changes)
		*out = kv_version_apply(e->base, changes, doc->count, true);
	return *out ? 0 : err_set(err, ENOMEM, "no memory");
}

/* The fields that the draft has changed; all that it has, where nothing was there or nothing is to be. */
static int send_draft(struct edit *e, const struct kv_version *mine, int64_t *number,
		      struct err *err)
{
	bool whole = e->base->state != KV_LIVE || mine->count == 0;
	struct secret_change change = {.base = e->base, .whole = whole, .cas = KV_ANY};
	_cleanup_free_ struct kv_change *fields = change_between(e->base, mine, &change.count);
	struct secret_outcome out;
	int s;

	if (!fields)
		return err_set(err, ENOMEM, "no memory");
	change.fields = fields;
	if (mine->count == 0)
		change.count = 0;
	s = remote_change(e->r, &e->at, &change, &out, err);
	*number = s == 0 ? out.made->number : 0;
	object_put(out.made);
	return s;
}

static int write_draft(struct edit *e, struct err *err)
{
	_cleanup_object_ struct kv_version *mine = NULL;
	struct kv *kv = e->r->kv;
	int64_t number = 0;
	int s;

	drop_theirs(e);
	e->conflicts = 0;
	s = apply_draft(e, &mine, err);
	if (s < 0)
		return s;
	/* Written otherwise, perhaps, and the same. */
	if (e->base->state == KV_LIVE && kv_version_equal(e->base, mine)) {
		printf("%s: nothing was changed\n", e->at.full);
		return 0;
	}
	s = send_draft(e, mine, &number, err);
	if (s == -EBUSY) {
		s = merge(e, mine, err);
		return s < 0 ? s : -EBUSY;
	}
	if (s == 0 && (kv_traits(kv, e->at.path) & KV_FLAT))
		printf("%s: written\n", e->at.full);
	else if (s == 0)
		printf("%s: version %" PRId64 "\n", e->at.full, number);
	return s;
}

static int edit_rounds(struct edit *e, struct err *err)
{
	bool first = true;
	int s = -EBUSY;

	while (s == -EBUSY) {
		if (e->conflicts)
			fprintf(stderr,
				"vaultfs: somebody else has changed %u of the same fields: members "
				"that "
				"begin with \"" THEIRS "\" show to what, and are not written\n",
				e->conflicts);
		s = first || e->conflicts ? edit_draft(e, first, err) : 0;
		if (s == 1) {
			printf("%s: nothing was changed\n", e->at.full);
			return 0;
		}
		first = false;
		e->edited |= s == 0;
		if (s == 0)
			s = write_draft(e, err);
	}
	return s;
}

static int edit_place(struct edit *e, struct err *err)
{
	struct remote *r = e->r;
	int s = remote_find(r, r->flags.words[0], &e->at, err);

	if (s < 0)
		return s;
	if (e->at.field || !*e->at.path)
		return remote_wrong(r, err, "a whole secret is wanted");
	s = r->kv->ops->read(r->kv, e->at.path, remote_limit(r), &e->base, err);
	if (s == 0)
		s = sheet_make(&e->sheet, r, err);
	if (s < 0)
		return s;
	e->draft = kv_version_json(e->base);
	s = e->draft ? edit_rounds(e, err) : err_set(err, ENOMEM, "no memory");
	if (s < 0 && e->edited) {
		fprintf(stderr, "vaultfs: what you wrote is in %s: remove it when you are done\n",
			e->sheet.path);
		sheet_close(&e->sheet);
	}
	return s;
}

static int edit(struct remote *r, struct err *err)
{
	struct edit e = {.r = r, .sheet = {.base = -1, .dir = -1}};
	int s = edit_place(&e, err);

	sheet_remove(&e.sheet);
	cJSON_Delete(e.draft);
	object_put(e.base);
	place_fini(&e.at);
	return s;
}

static int edit_run(int argc, char **argv)
{
	return remote_run(&command_edit, 1, 1, argc, argv, edit);
}

const struct command command_edit = {
	.name = "edit",
	.usage = "[OPTION...] PATH",
	.summary = "Edits a secret in $VISUAL or $EDITOR",
	.help = help_remote,
	.run = edit_run,
};
