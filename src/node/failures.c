// SPDX-License-Identifier: Apache-2.0
/* A ring of failures. Paths come from the server and from users: they are escaped as the names in a
 * directory are not, so that a line stays a line. */

#include "node/failures.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static void row_fini(struct failure *row)
{
	free(row->path);
	free(row->text);
	*row = (struct failure){0};
}

void failures_add(struct failures *f, const char *path, const struct err *err)
{
	struct failure row = {.at = clock_wall(),
			      .code = err->code,
			      .path = strdup(path ? path : "?"),
			      .text = strdup(err_text(err))};

	if (!row.path || !row.text) {
		row_fini(&row);
		return;
	}
	row_fini(&f->rows[f->count % FAILURES_KEPT]);
	f->rows[f->count++ % FAILURES_KEPT] = row;
}

static void print_path(const char *path, struct buf *to)
{
	for (; *path; path++) {
		unsigned char c = (unsigned char)*path;

		if (c <= ' ' || c == 0x7f || c == '\\')
			buf_printf(to, "\\%03o", c); /* as in /proc/mounts */
		else
			buf_add(to, path, 1);
	}
}

void failures_print(const struct failures *f, struct buf *to)
{
	size_t first = f->count > FAILURES_KEPT ? f->count - FAILURES_KEPT : 0;

	for (size_t i = first; i < f->count; i++) {
		const struct failure *row = &f->rows[i % FAILURES_KEPT];
		struct timespec at = clock_timespec(row->at);
		char day[40];
		struct tm tm;

		gmtime_r(&at.tv_sec, &tm);
		strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%SZ ", &tm);
		buf_add_str(to, day);
		print_path(row->path, to);
		buf_printf(to, " %s %s\n", err_name(row->code), row->text);
	}
}

void failures_fini(struct failures *f)
{
	for (size_t i = 0; i < FAILURES_KEPT; i++)
		row_fini(&f->rows[i]);
}
