// SPDX-License-Identifier: Apache-2.0
/* .env files. There is no standard: what the libraries of the languages agree on is read as they read
 * it, and what they do not agree on is refused rather than guessed.
 *
 *      [export] NAME = VALUE          also "NAME: VALUE"; "export NAME" where it is there already
 *      VALUE   'as it is'             may have several lines; there are no escapes, as in a shell
 *              `as it is`             the same, for what holds both kinds of quote
 *              "\n \r \t \" \\ \$..." may have several lines; \ before a line's end joins it with
 *                                     the next; a \ before anything else stays
 *              plain text             up to " #" or the line's end, without the blanks around it; \$ is $
 *      # comment
 *
 * Quoted parts that follow each other without a blank are one value, so that 'it'\''s' is what a shell
 * makes of it. A name that is there twice has its last value. $NAME, ${NAME} and $(COMMAND) are
 * refused where they would be replaced: nobody is to get another value than the one he sees. */

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

/* The length of the line's end that is here; 0: none. At the end of the text it is none either; but a CR
 * alone is one there, of which the rest was cut off. */
static size_t newline_len(const struct reader *r)
{
	size_t left = (size_t)(r->end - r->at);

	if (left && *r->at == '\n')
		return 1;
	if (!left || *r->at != '\r')
		return 0;
	return left == 1 ? 1 : r->at[1] == '\n' ? 2 : 0;
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

/* Whether a '$' here stands for something else than itself. */
static bool is_interpolation(const struct reader *r)
{
	char next = r->end - r->at > 1 ? r->at[1] : '\0';

	return *r->at == '$' &&
	       (isalpha((unsigned char)next) || next == '_' || next == '{' || next == '(');
}

static int refuse_interpolation(struct reader *r, const char *name)
{
	return mistake(r, r->line, name,
		       "a value made of other variables or of a command ($...) is not supported: "
		       "write what it stands for, in single quotes, or \\$ for the sign itself");
}

/* A character of a quoted value; a line's end is a newline however the file has it. */
static void take_character(struct reader *r)
{
	size_t n = newline_len(r);

	add(r, n ? '\n' : *r->at);
	r->line += n > 0;
	r->at += n ? n : 1;
}

/* Behind a backslash, between double quotes. */
static void take_escape(struct reader *r)
{
	static const char from[] = "abfnrtv\\\"'`$", to[] = "\a\b\f\n\r\t\v\\\"'`$";
	const char *known = r->at < r->end && *r->at ? strchr(from, *r->at) : NULL;
	size_t n = newline_len(r);

	if (known) {
		add(r, to[known - from]);
		r->at++;
	} else if (n) {
		r->line++;
		r->at += n;
	} else {
		add(r, '\\');
	}
}

/* From the opening quote to behind the closing one. */
static int take_quoted(struct reader *r, const char *name)
{
	unsigned opened = r->line;
	char quote = *r->at++;

	while (r->at < r->end && *r->at != quote) {
		if (quote == '"' && is_interpolation(r))
			return refuse_interpolation(r, name);
		if (quote == '"' && *r->at == '\\') {
			r->at++;
			take_escape(r);
		} else {
			take_character(r);
		}
	}
	if (r->at == r->end)
		return mistake(r, opened, name, "the quote that opens here is never closed");
	r->at++;
	return 0;
}

static bool at_quote(const struct reader *r)
{
	return r->at < r->end && (*r->at == '"' || *r->at == '\'' || *r->at == '`');
}

static bool at_escaped_quote(const struct reader *r)
{
	return r->end - r->at >= 2 && *r->at == '\\' && strchr("\"'`\\$", r->at[1]) && r->at[1];
}

static int take_quoted_parts(struct reader *r, const char *name)
{
	int q = 0;

	while (q == 0 && (at_quote(r) || at_escaped_quote(r))) {
		if (at_quote(r)) {
			q = take_quoted(r, name);
		} else {
			add(r, r->at[1]);
			r->at += 2;
		}
	}
	if (q < 0)
		return q;
	skip_blanks(r);
	if (!at_line_end(r) && *r->at != '#')
		return mistake(r, r->line, name, "there is more behind the closing quote");
	return 0;
}

static int take_plain(struct reader *r, const char *name, size_t start)
{
	struct buf *bytes = &r->to->bytes;
	size_t kept = start;

	while (!at_line_end(r)) {
		bool blank = is_blank(*r->at);

		if (*r->at == '#' && is_blank(r->at[-1]))
			break;
		if (is_interpolation(r))
			return refuse_interpolation(r, name);
		if (*r->at == '\\' && r->end - r->at > 1 && r->at[1] == '$')
			r->at++;
		add(r, *r->at++);
		if (!blank)
			kept = bytes->len;
	}
	if (kept > bytes->len)
		return -ENOMEM;
	buf_resize(bytes, kept);
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

/* The text up to `end` as a name; `bytes` never moves, since there is room for all. */
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

/* Whether "export" stands here, and something behind it that is a name. */
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
	    (*r->at == '=' ||
	     (*r->at == ':' && (r->end - r->at == 1 || isspace((unsigned char)r->at[1]))))) {
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
	/* A line yields at most what it holds and two NULs, for the '=' and its end. */
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
