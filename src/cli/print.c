// SPDX-License-Identifier: Apache-2.0
/* The output of commands. It does not go through stdio, whose buffers nobody wipes. */

#include "cli/print.h"

#include "base/clock.h"
#include "base/visible.h"
#include "cli/command.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define GAP	       2 /* blanks between two columns */
#define PROGRESS_AFTER (NS_PER_SEC / 2)
#define PROGRESS_EVERY (NS_PER_SEC / 5)

int format_choose(const char *name, enum format elsewhere)
{
	static const char *const names[] = {[FORMAT_TABLE] = "table",
					    [FORMAT_PLAIN] = "plain",
					    [FORMAT_JSON] = "json",
					    [FORMAT_ENV] = "env",
					    [FORMAT_RAW] = "raw"};

	if (!name)
		return isatty(STDOUT_FILENO) ? FORMAT_TABLE : elsewhere;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(names[i], name))
			return (int)i;
	return -EINVAL;
}

/* On a terminal all that is no ink is shown by its number; elsewhere what would end a row or a column,
 * and other controls of ASCII, so that a name which is read back is the name. */
void table_add(struct table *t, const char *bytes, size_t len)
{
	if (isatty(STDOUT_FILENO)) {
		visible_add(&t->cells, bytes, len, false);
		len = 0;
	}
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)bytes[i];

		if (c == '\n')
			buf_add_str(&t->cells, "\\n");
		else if (c == '\t')
			buf_add_str(&t->cells, "\\t");
		else if (c < ' ' || c == 0x7f)
			buf_printf(&t->cells, "\\x%02x", c);
		else
			buf_add(&t->cells, &bytes[i], 1);
	}
	buf_add(&t->cells, "", 1);
}

void table_add_str(struct table *t, const char *s)
{
	table_add(t, s, strlen(s));
}

/* In characters: bytes that go on with one do not count. */
static size_t width_of(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static size_t count_columns(const struct table *t)
{
	size_t n = 0;

	while (t->head[n])
		n++;
	return n;
}

static void measure(const struct table *t, size_t columns, size_t *widths)
{
	const char *end = t->cells.data + t->cells.len;
	size_t i = 0;

	for (size_t c = 0; c < columns; c++)
		widths[c] = width_of(t->head[c]);
	for (const char *s = t->cells.data; s && s < end; s += strlen(s) + 1, i++)
		if (width_of(s) > widths[i % columns])
			widths[i % columns] = width_of(s);
}

static void add_cell(struct buf *out, const char *s, size_t width, bool last, bool plain)
{
	buf_add_str(out, s);
	if (last)
		buf_add_str(out, "\n");
	else if (plain)
		buf_add_str(out, "\t");
	else
		for (size_t n = width_of(s); n < width + GAP; n++)
			buf_add_str(out, " ");
}

int table_print(const struct table *t, bool plain)
{
	size_t columns = count_columns(t), i = 0, widths[8] = {0};
	const char *end = t->cells.data + t->cells.len;
	_cleanup_buf_ struct buf out = {0};

	if (buf_status(&t->cells) < 0)
		return command_fail(EXIT_LOCAL, "no memory");
	measure(t, columns, widths);
	for (size_t c = 0; c < columns && !plain; c++)
		add_cell(&out, t->head[c], widths[c], c == columns - 1, false);
	for (const char *s = t->cells.data; s && s < end; s += strlen(s) + 1, i++)
		add_cell(&out, s, widths[i % columns], i % columns == columns - 1, plain);
	return print_buf(&out);
}

void progress_step(struct progress *p, size_t of)
{
	uint64_t now = clock_mono();

	p->done++;
	if (!p->next)
		p->next = now + PROGRESS_AFTER;
	if (now < p->next || !isatty(STDERR_FILENO))
		return;
	p->next = now + PROGRESS_EVERY;
	p->shown = true;
	if (of)
		fprintf(stderr, "\r\033[K%zu of %zu %s...", p->done, of, p->what);
	else
		fprintf(stderr, "\r\033[K%zu %s...", p->done, p->what);
}

void progress_end(struct progress *p)
{
	if (p->shown)
		fputs("\r\033[K", stderr);
	p->shown = false;
}

int print_bytes(const void *bytes, size_t len)
{
	const char *at = bytes;

	while (len) {
		ssize_t n = write(STDOUT_FILENO, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return command_fail(EXIT_LOCAL, "cannot write the output: %s",
					    strerror(errno));
		at += n;
		len -= (size_t)n;
	}
	return EXIT_OK;
}

int print_shown(const char *bytes, size_t len)
{
	_cleanup_buf_ struct buf shown = {0};

	if (!isatty(STDOUT_FILENO))
		return print_bytes(bytes, len);
	visible_add(&shown, bytes, len, true);
	return print_buf(&shown);
}

int print_buf(const struct buf *b)
{
	if (buf_status(b) < 0)
		return command_fail(EXIT_LOCAL, "no memory");
	return print_bytes(b->data, b->len);
}

int print_json(const cJSON *json)
{
	_cleanup_buf_ struct buf out = {0}, shown = {0};

	if (!json || json_print(json, true, &out) < 0)
		return command_fail(EXIT_LOCAL, "no memory");
	buf_add_str(&out, "\n");
	if (!isatty(STDOUT_FILENO))
		return print_buf(&out);
	visible_add_json(&shown, out.data, out.len);
	return print_buf(&shown);
}

const char *print_time(int64_t ns, char to[PRINT_TIME_MAX])
{
	struct timespec at = clock_timespec(ns);
	struct tm tm;

	to[0] = '\0';
	if (ns > 0 && gmtime_r(&at.tv_sec, &tm))
		strftime(to, PRINT_TIME_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm);
	return to;
}
