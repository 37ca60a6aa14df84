// SPDX-License-Identifier: Apache-2.0
/* .env files. There is no standard. A form is read if the libraries of the languages agree on it,
 * and refused if they do not: nobody may get another value than his program had.
 *
 *      [export] NAME = VALUE     also "NAME: VALUE"; "export NAME" if it is defined already
 *      VALUE   'as it is'        may have several lines; no \\, \' and ${, which python-dotenv reads
 *              `as it is`        may have several lines, and both kinds of quote
 *              "\n \r \" \\ \$"  may have several lines; no other \
 *              plain text        up to " #" or the line's end, without the blanks around it; \$ is $;
 *                                no other \, and no # inside a word
 *      # comment
 *
 * A line ends with LF, CR LF or CR. $NAME, ${NAME}, $1 and $(COMMAND) are refused wherever any
 * library would replace them. Some forms are needed although libraries disagree. They are read as
 * follows:
 *
 *      "\n" "\r"       a line's end, as in all but Ruby since version 3
 *      "\"" "\\"       as in all but node, which keeps the backslash
 *      \$              as in Ruby, Go and shells; the others keep the backslash
 *      `...`           as in node; the others keep the backquotes
 *      NAME= # a # b   nothing, as in all but Go, where the comment begins later
 *      'it'\''s'       as in a shell, with \' \\ \$ between the parts: data.env is written so
 *      CR alone        a line's end everywhere, also in quotes and comments, as in all but Go
 *
 * The last of several values of a name wins. */

#include "conf/dotenv.h"

#include "base/trust.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define ROWS_MAX 10000

struct reader {
	const char *at, *end;
	unsigned line;
	struct dotenv *to;
	size_t room; /* for rows */
	struct err *err;
};

/* "line 7: NAME: sentence" */
static int mistake(struct reader *r, unsigned line, const char *name, const char *sentence)
{
	return err_set(r->err, EINVAL, "line %u: %s%s%s", line, name ? name : "", name ? ": " : "",
		       sentence);
}

static bool is_name(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '.' || c == '-';
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\v' || c == '\f';
}

/* The length of the line's end at this point; 0: there is none, or the text ends. */
static size_t newline_len(const struct reader *r)
{
	size_t left = (size_t)(r->end - r->at);

	if (!left || (*r->at != '\n' && *r->at != '\r'))
		return 0;
	return *r->at == '\r' && left > 1 && r->at[1] == '\n' ? 2 : 1;
}

static bool at_line_end(const struct reader *r)
{
	return r->at == r->end || newline_len(r) > 0;
}

static void skip_blanks(struct reader *r)
{
	while (r->at < r->end && is_blank(*r->at))
		r->at++;
}

static void skip_line(struct reader *r)
{
	while (!at_line_end(r))
		r->at++;
	if (r->at < r->end)
		r->line++;
	r->at += newline_len(r);
}

static void add(struct reader *r, char c)
{
	buf_add(&r->to->bytes, &c, 1);
}

/* Whether any library replaces the text that begins with this '$'. */
static bool is_interpolation(const struct reader *r)
{
	char next = r->end - r->at > 1 ? r->at[1] : '\0';

	return *r->at == '$' &&
	       (isalnum((unsigned char)next) || next == '_' || next == '{' || next == '(');
}

static int refuse_interpolation(struct reader *r, const char *name)
{
	return mistake(r, r->line, name,
		       "a value made of other variables or of a command ($...) is not supported: "
		       "write what it stands for, or \\$ for the sign itself");
}

static bool is_before(const struct reader *r, const char *set)
{
	return r->end - r->at > 1 && r->at[1] && strchr(set, r->at[1]);
}

/* Takes a character of a quoted value; any line end becomes a newline. */
static void take_character(struct reader *r)
{
	size_t n = newline_len(r);

	add(r, n ? '\n' : *r->at);
	r->line += n > 0;
	r->at += n ? n : 1;
}

/* At a backslash between double quotes. */
static int take_escape(struct reader *r, const char *name)
{
	static const char from[] = "nr\"\\$", to[] = "\n\r\"\\$";

	if (!is_before(r, from))
		return mistake(r, r->line, name,
			       "between double quotes libraries agree on \\n, \\r, \\\", \\\\ and "
			       "\\$ alone: "
			       "write \\\\ for a backslash, or use single quotes");
	if (r->at[1] == '\\' && r->end - r->at > 2 && (r->at[2] == '$' || r->at[2] == '"'))
		return mistake(r, r->line, name,
			       "\\\\ before a $ or the closing quote is not the same to all "
			       "libraries: write single quotes, and \\\\ outside of them");
	add(r, to[strchr(from, r->at[1]) - from]);
	r->at += 2;
	return 0;
}

/* Refuses escapes that most libraries take literally, and python-dotenv does not. */
static int check_single(struct reader *r, const char *name)
{
	if (*r->at == '\\' && is_before(r, "\\'"))
		return mistake(
			r, r->line, name,
			"\\\\ and \\' between single quotes are not the same to all libraries: "
			"use double quotes, and \\\\ for a backslash");
	if (*r->at == '$' && is_before(r, "{"))
		return mistake(r, r->line, name,
			       "${ between single quotes is not the same to all libraries: use "
			       "double quotes, and \\$ for the sign itself");
	return 0;
}

/* From the opening quote past the closing one. */
static int take_quoted(struct reader *r, const char *name)
{
	unsigned opened = r->line;
	char quote = *r->at++;
	int q = 0;

	while (q == 0 && r->at < r->end && *r->at != quote) {
		if (quote == '"' && is_interpolation(r))
			return refuse_interpolation(r, name);
		if (quote == '"' && *r->at == '\\') {
			q = take_escape(r, name);
			continue;
		}
		q = quote == '\'' ? check_single(r, name) : 0;
		take_character(r);
	}
	if (q < 0)
		return q;
	if (r->at == r->end)
		return mistake(r, opened, name, "the quote that opens here is never closed");
	r->at++;
	return 0;
}

static bool at_quote(const struct reader *r)
{
	return r->at < r->end && (*r->at == '"' || *r->at == '\'' || *r->at == '`');
}

/* The escapes that data.env writes between two parts in single quotes. */
static bool at_escape(const struct reader *r)
{
	return r->at < r->end && *r->at == '\\' && is_before(r, "'\\$");
}

static int take_quoted_parts(struct reader *r, const char *name)
{
	bool single = *r->at == '\'';
	int q = take_quoted(r, name);

	while (q == 0 && single && at_escape(r)) {
		for (; at_escape(r); r->at += 2)
			add(r, r->at[1]);
		if (r->at < r->end && *r->at == '\'')
			q = take_quoted(r, name);
	}
	if (q < 0)
		return q;
	skip_blanks(r);
	if (!at_line_end(r) && *r->at != '#')
		return mistake(r, r->line, name, "there is more behind the closing quote");
	return 0;
}

/* Refuses characters that plain text may not hold. */
static int check_plain(struct reader *r, const char *name)
{
	if (*r->at == '#')
		return mistake(
			r, r->line, name,
			"a # without a blank before it begins a comment to some libraries: put "
			"the value in single quotes");
	if (*r->at == '\\' && !is_before(r, "$"))
		return mistake(
			r, r->line, name,
			"a backslash without quotes is not the same to all libraries: put the "
			"value in single quotes");
	return is_interpolation(r) ? refuse_interpolation(r, name) : 0;
}

/* Begins with a character that some libraries count as blank: U+001C to U+001F and Unicode's
 * blanks. */
static bool begins_oddly(const char *s, size_t len)
{
	static const char *const blanks[] = {"\xc2\x85",     "\xc2\xa0",     "\xe1\x9a\x80",
					     "\xe2\x80\xa8", "\xe2\x80\xa9", "\xe2\x80\xaf",
					     "\xe2\x81\x9f", "\xe3\x80\x80", "\xef\xbb\xbf"};

	if (len && *s >= 0x1c && *s <= 0x1f)
		return true;
	if (len >= 3 && !memcmp(s, "\xe2\x80", 2) && (s[2] & 0xff) <= 0x8a)
		return true; /* U+2000 to U+200A */
	for (size_t i = 0; i < ARRAY_SIZE(blanks); i++)
		if (len >= strlen(blanks[i]) && !memcmp(s, blanks[i], strlen(blanks[i])))
			return true;
	return false;
}

static bool has_odd_blank(const char *s, size_t len)
{
	return begins_oddly(s, len) || (len && begins_oddly(s + len - 1, 1)) ||
	       (len >= 2 && begins_oddly(s + len - 2, 2)) ||
	       (len >= 3 && begins_oddly(s + len - 3, 3));
}

static int take_plain(struct reader *r, const char *name, size_t start)
{
	struct buf *bytes = &r->to->bytes;
	size_t kept = start;

	while (!at_line_end(r) && !(*r->at == '#' && is_blank(r->at[-1]))) {
		bool blank = is_blank(*r->at);
		int q = check_plain(r, name);

		if (q < 0)
			return q;
		if (*r->at == '\\')
			r->at++;
		add(r, *r->at++);
		if (!blank)
			kept = bytes->len;
	}
	if (kept > bytes->len)
		return -ENOMEM;
	buf_resize(bytes, kept);
	if (has_odd_blank(bytes->data + start, kept - start))
		return mistake(
			r, r->line, name,
			"a blank that is neither space nor tab is around the value: put it in "
			"single quotes, or take it out");
	return 0;
}

static struct dotenv_row *new_row(struct reader *r)
{
	struct dotenv *e = r->to;

	if (e->count == ROWS_MAX)
		return NULL;
	if (e->count == r->room) {
		size_t room = r->room ? r->room * 2 : 16;
		struct dotenv_row *rows = reallocarray(e->rows, room, sizeof(*rows));

		if (!rows)
			return NULL;
		e->rows = rows;
		r->room = room;
	}
	e->rows[e->count] = (struct dotenv_row){.line = r->line, .last = true};
	return &e->rows[e->count];
}

/* Copies the name. `bytes` never moves, since there is room for everything. */
static const char *take_name(struct reader *r, const char *start, size_t len)
{
	const char *name = r->to->bytes.data + r->to->bytes.len;

	buf_add(&r->to->bytes, start, len);
	add(r, '\0');
	return name;
}

static int take_value(struct reader *r, const char *name, const struct dotenv_row *row)
{
	struct buf *bytes = &r->to->bytes;
	size_t start = bytes->len;
	struct dotenv_row *last;
	int q;

	skip_blanks(r);
	q = at_quote(r) ? take_quoted_parts(r, name) : take_plain(r, name, start);
	if (q < 0)
		return q;
	for (size_t i = 0; i < r->to->count; i++)
		if (!strcmp(r->to->rows[i].name, name))
			r->to->rows[i].last = false;
	last = &r->to->rows[r->to->count++];
	*last = *row;
	last->name = name;
	last->value = bytes->data + start;
	last->len = bytes->len - start;
	add(r, '\0');
	return 0;
}

/* Skips "export" if a name follows it. */
static bool skip_export(struct reader *r)
{
	const char *at = r->at;
	size_t len = strlen("export");

	if ((size_t)(r->end - at) <= len || memcmp(at, "export", len) != 0 || !is_blank(at[len]))
		return false;
	for (at += len; at < r->end && is_blank(*at); at++)
		;
	if (at == r->end || !is_name(*at))
		return false;
	r->at = at;
	return true;
}

static int take_line(struct reader *r)
{
	const struct dotenv_row *row = new_row(r);
	const char *start, *name;
	bool exported;

	if (!row && r->to->count == ROWS_MAX)
		return mistake(r, r->line, NULL, "too many variables");
	if (!row)
		return -ENOMEM;
	exported = skip_export(r);
	for (start = r->at; r->at < r->end && is_name(*r->at);)
		r->at++;
	if (r->at == start)
		return mistake(r, r->line, NULL, "not NAME=VALUE, nor a comment");
	name = take_name(r, start, (size_t)(r->at - start));
	skip_blanks(r);
	if (r->at < r->end &&
	    (*r->at == '=' || (*r->at == ':' && r->end - r->at > 1 && is_blank(r->at[1])))) {
		r->at++;
		return take_value(r, name, row);
	}
	if (exported && (at_line_end(r) || *r->at == '#') && dotenv_find(r->to, name))
		return 0;
	return mistake(r, r->line, NULL, "not NAME=VALUE, nor a comment");
}

int dotenv_parse(const char *text, size_t len, struct dotenv *e, struct err *err)
{
	struct reader r = {.at = text, .end = text + len, .line = 1, .to = e, .err = err};
	int q = 0;

	*e = (struct dotenv){0};
	/* A line yields at most its own bytes and two NULs, for the '=' and its end. */
	buf_reserve(&e->bytes, len + 2);
	if (buf_status(&e->bytes) < 0)
		return err_set(err, ENOMEM, "no memory for variables");
	if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
		r.at += 3;
	while (r.at < r.end && q == 0) {
		skip_blanks(&r);
		if (!at_line_end(&r) && *r.at != '#')
			q = take_line(&r);
		if (q == 0)
			skip_line(&r);
	}
	if (q == 0 && memchr(text, '\0', len))
		return err_set(err, EINVAL, "there is a NUL byte in it");
	if (q == -ENOMEM || (q == 0 && buf_status(&e->bytes) < 0))
		return err_set(err, ENOMEM, "no memory for variables");
	return q;
}

int dotenv_read(const char *path, bool trusted, struct dotenv *e, struct err *err)
{
	_cleanup_close_ int fd =
		trusted ? trust_open(path, err) : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	_cleanup_buf_ struct buf text = {0};
	int r;

	*e = (struct dotenv){0};
	if (fd < 0 && trusted)
		return err_prefix(err, "cannot read %s", path), fd;
	r = fd < 0 ? -errno : buf_read(&text, fd, DOTENV_MAX);
	if (r < 0)
		return err_set(err, -r, "cannot read %s: %s", path, strerror(-r));
	r = dotenv_parse(text.data ? text.data : "", text.len, e, err);
	if (r < 0)
		err_prefix(err, "%s", path);
	return r;
}

const struct dotenv_row *dotenv_find(const struct dotenv *e, const char *name)
{
	for (size_t i = 0; i < e->count; i++)
		if (e->rows[i].last && !strcmp(e->rows[i].name, name))
			return &e->rows[i];
	return NULL;
}

void dotenv_fini(struct dotenv *e)
{
	buf_fini(&e->bytes);
	free(e->rows);
	*e = (struct dotenv){0};
}
