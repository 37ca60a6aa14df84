// SPDX-License-Identifier: Apache-2.0
/* The rows of .vault/errors. Paths come from the server and from users: they are escaped as the names
 * in a directory are not, so that a line stays a line. */

#include "node/failures.h"

#include "base/clock.h"
#include "base/visible.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static void row_fini(struct failure *row)
{
	free(row->path);
	free(row->text);
	free(row->dirs[0]);
	free(row->dirs[1]);
	*row = (struct failure){0};
}

static size_t count_of(const struct failures *f, uid_t uid)
{
	size_t n = 0;

	for (size_t i = 0; i < f->kept; i++)
		n += f->rows[i].uid == uid;
	return n;
}

/* The row that makes room for one of `uid`: the oldest of those who have most, or its own. */
static size_t find_surplus(const struct failures *f, uid_t uid)
{
	size_t most = count_of(f, uid), found = 0;
	uid_t owner = uid;

	for (size_t i = 0; i < f->kept; i++) {
		size_t n = count_of(f, f->rows[i].uid);

		if (n > most) {
			most = n;
			owner = f->rows[i].uid;
		}
	}
	while (most && f->rows[found].uid != owner)
		found++;
	return found;
}

static void remove_row(struct failures *f, size_t i)
{
	row_fini(&f->rows[i]);
	f->kept--;
	memmove(&f->rows[i], &f->rows[i + 1], (f->kept - i) * sizeof(f->rows[0]));
	f->rows[f->kept] = (struct failure){0};
}

static bool copy(const char *from, char **to)
{
	*to = from ? strdup(from) : NULL;
	return !from || *to;
}

void failures_add(struct failures *f, const struct failure *what, const struct err *err)
{
	struct failure row = {
		.at = clock_wall(), .code = err->code, .uid = what->uid, .names = what->names};
	bool copied = copy(what->path ? what->path : "?", &row.path) &&
		      copy(err_text(err), &row.text) && copy(what->dirs[0], &row.dirs[0]) &&
		      copy(what->dirs[1], &row.dirs[1]);

	if (!copied) {
		row_fini(&row);
		return;
	}
	if (f->kept == FAILURES_KEPT)
		remove_row(f, find_surplus(f, row.uid));
	f->rows[f->kept++] = row;
	f->count++;
}

bool failures_has_just(const struct failures *f, const char *path, const struct err *err)
{
	const struct failure *last = f->kept ? &f->rows[f->kept - 1] : NULL;

	return last && last->code == err->code && !strcmp(last->path, path);
}

static void print_path(const char *path, struct buf *to)
{
	while (*path) {
		char shown[VISIBLE_ROOM];
		bool ink;
		size_t n = visible_char(path, strlen(path), shown, &ink);

		ink = ink && *path != ' ' && *path != '\\';
		for (size_t i = 0; i < n && !ink; i++)
			buf_printf(to, "\\%03o", (unsigned char)path[i]); /* as in /proc/mounts */
		if (ink)
			buf_add(to, path, n);
		path += n;
	}
}

static void print_row(const struct failure *row, struct buf *to)
{
	struct timespec at = clock_timespec(row->at);
	char day[40];
	struct tm tm;

	gmtime_r(&at.tv_sec, &tm);
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%SZ ", &tm);
	buf_add_str(to, day);
	print_path(row->path, to);
	buf_printf(to, " %s %s\n", err_name(row->code), row->text);
}

void failures_print(const struct failures *f, bool (*shows)(void *arg, const struct failure *row),
		    void *arg, struct buf *to)
{
	for (size_t i = 0; i < f->kept; i++)
		if (!shows || shows(arg, &f->rows[i]))
			print_row(&f->rows[i], to);
}

void failures_fini(struct failures *f)
{
	while (f->kept)
		remove_row(f, f->kept - 1);
}
