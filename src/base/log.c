// SPDX-License-Identifier: Apache-2.0
/* The log: one line an event, as text or JSON, to stderr, the journal or syslog.
 *
 * A line is built in a buffer of fixed size on the stack and written whole, so that threads need no lock
 * and a failing allocation can still be reported; a line that is too long is cut. Failures of one kind,
 * and all lines of one user, are limited to so many a second: neither an unreachable server nor a user
 * can fill a disk. The log and the metric registry are the only globals of the program. The log knows
 * nothing of secrets, and no call can hand it one. */

#include "config.h"
#include "base/log.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/lock.h"
#include "base/visible.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <syslog.h>
#include <time.h>
#ifdef HAVE_LIBSYSTEMD
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#endif

#define LINE_MAX_BYTES 2048
#define FIELDS_MAX     16
#define FAILURES_MAX   20  /* lines a second of one event */
#define LINES_MAX      200 /* lines a second that report success, of a user who is not root */
#define REPLACEMENT    "\xef\xbf\xbd"

struct line {
	char text[LINE_MAX_BYTES];
	size_t len;
	bool cut; /* something did not fit */
};

struct log_format {
	const char *name;
	void (*encode)(struct line *, enum log_level, const char *event, const struct log_field *);
};

struct log_target {
	const char *name;
	void (*emit)(enum log_level, const char *event, const struct log_field *);
};

static const char *const level_names[] = {"error", "warning", "info", "debug"};
static const int syslog_priorities[] = {LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG};

static void add(struct line *l, const char *s, size_t n)
{
	if (l->cut)
		return;
	if (n > sizeof(l->text) - 1 - l->len) {
		n = sizeof(l->text) - 1 - l->len;      /* the last byte is for the newline */
		while (n > 0 && (s[n] & 0xc0) == 0x80) /* not within a character */
			n--;
		l->cut = true;
	}
	memcpy(l->text + l->len, s, n);
	l->len += n;
}

static void add_str(struct line *l, const char *s)
{
	add(l, s, strlen(s));
}

static void add_escaped(struct line *l, const char *s, size_t len)
{
	for (size_t i = 0; i < len;) {
		char esc[VISIBLE_ROOM];
		uint32_t c;
		bool ink;
		size_t n = visible_char(s + i, len - i, esc, &ink);

		utf8_decode(s + i, len - i, &c);
		if (c == '"' || c == '\\')
			snprintf(esc, sizeof(esc), "\\%c", (char)c);
		else if (!ink && c > 0xffff)
			snprintf(esc, sizeof(esc), "\\u%04x\\u%04x", 0xd7c0 + (c >> 10),
				 0xdc00 + (c & 0x3ff));
		else if (!ink)
			snprintf(esc, sizeof(esc), "\\u%04x", c);
		add_str(l, esc);
		i += n;
	}
}

/* A JSON string. Text lines use it too for values with blanks or worse, so that a path can never forge a
 * line. A byte that is not UTF-8 becomes U+FFFD. */
static void add_quoted(struct line *l, const char *s)
{
	add_str(l, "\"");
	for (;;) {
		size_t len = strlen(s), valid = utf8_valid_len(s, len);

		add_escaped(l, s, valid);
		if (valid == len)
			break;
		add_str(l, REPLACEMENT);
		s += valid + 1;
	}
	add_str(l, "\"");
}

static void add_time(struct line *l)
{
	char buf[40];
	struct timespec now;
	struct tm tm;
	size_t n;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	n = strftime(buf, sizeof(buf), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + n, sizeof(buf) - n, ".%03ldZ", now.tv_nsec / 1000000);
	add_str(l, buf);
}

static void add_number(struct line *l, long long n)
{
	char buf[24];

	snprintf(buf, sizeof(buf), "%lld", n);
	add_str(l, buf);
}

static bool is_plain(const char *s)
{
	if (!*s || visible_len(s, strlen(s)) < strlen(s))
		return false;
	for (; *s; s++)
		if (*s == ' ' || *s == '"' || *s == '=' || *s == '\\')
			return false;
	return true;
}

static void add_text_fields(struct line *l, const char *event, const struct log_field *f)
{
	add_str(l, event);
	for (; f->key; f++) {
		add_str(l, " ");
		add_str(l, f->key);
		add_str(l, "=");
		if (!f->str)
			add_number(l, f->num);
		else if (is_plain(f->str))
			add_str(l, f->str);
		else
			add_quoted(l, f->str);
	}
}

static void encode_text(struct line *l, enum log_level level, const char *event,
			const struct log_field *f)
{
	add_time(l);
	add_str(l, " ");
	add_str(l, level_names[level]);
	add_str(l, " ");
	add_text_fields(l, event, f);
}

/* Encodes only the fields whose text is no longer than `longest`. False if they do not fit. */
static bool try_json(struct line *l, enum log_level level, const char *event,
		     const struct log_field *f, size_t longest)
{
	*l = (struct line){.len = 0};
	add_str(l, "{\"time\":\"");
	add_time(l);
	add_str(l, "\",\"level\":\"");
	add_str(l, level_names[level]);
	add_str(l, "\",\"event\":");
	add_quoted(l, event);
	for (; f->key; f++) {
		if (f->str && strlen(f->str) > longest)
			continue;
		add_str(l, ",\"");
		add_str(l, f->key);
		add_str(l, "\":");
		if (f->str)
			add_quoted(l, f->str);
		else
			add_number(l, f->num);
	}
	add_str(l, "}");
	return !l->cut;
}

static size_t longest_below(const struct log_field *f, size_t bound)
{
	size_t longest = 0;

	for (; f->key; f++)
		if (f->str && strlen(f->str) < bound && strlen(f->str) > longest)
			longest = strlen(f->str);
	return longest;
}

/* A line cut in the middle would not be JSON: drops the longest fields until the others fit. */
static void encode_json(struct line *l, enum log_level level, const char *event,
			const struct log_field *f)
{
	size_t longest = longest_below(f, SIZE_MAX);

	while (!try_json(l, level, event, f, longest) && longest > 0)
		longest = longest_below(f, longest);
}

static const struct log_format log_formats[] = {{"text", encode_text}, {"json", encode_json}};
static const struct log_format *format = &log_formats[0];

static void emit_stderr(enum log_level level, const char *event, const struct log_field *f)
{
	struct line l = {.len = 0};

	format->encode(&l, level, event, f);
	l.text[l.len++] = '\n';
	if (write(STDERR_FILENO, l.text, l.len) < 0)
		return; /* there is nowhere else to report it */
}

static void emit_syslog(enum log_level level, const char *event, const struct log_field *f)
{
	struct line l = {.len = 0};

	add_text_fields(&l, event, f);
	l.text[l.len] = '\0';
	syslog(syslog_priorities[level], "%s", l.text);
}

#ifdef HAVE_LIBSYSTEMD
static void emit_journal(enum log_level level, const char *event, const struct log_field *fields)
{
	char fixed[2][64], extra[FIELDS_MAX][512];
	struct iovec iov[3 + FIELDS_MAX];
	struct line l = {.len = 0};
	int n = 0;

	add_str(&l, "MESSAGE=");
	add_text_fields(&l, event, fields);
	iov[n++] = (struct iovec){l.text, l.len};
	snprintf(fixed[0], sizeof(fixed[0]), "PRIORITY=%d", syslog_priorities[level]);
	snprintf(fixed[1], sizeof(fixed[1]), "SYSLOG_IDENTIFIER=vaultfs");
	for (int i = 0; i < 2; i++)
		iov[n++] = (struct iovec){fixed[i], strlen(fixed[i])};
	for (int i = 0; i < FIELDS_MAX && fields[i].key; i++) {
		char *p = extra[i];
		size_t k = (size_t)snprintf(p, sizeof(extra[i]), "VAULTFS_%s=", fields[i].key);

		for (char *c = p; *c != '='; c++)
			*c = (char)(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c);
		if (fields[i].str)
			snprintf(p + k, sizeof(extra[i]) - k, "%s", fields[i].str);
		else
			snprintf(p + k, sizeof(extra[i]) - k, "%lld", fields[i].num);
		iov[n++] = (struct iovec){p, strlen(p)};
	}
	sd_journal_sendv(iov, n);
}
#endif

bool log_journal_available(void)
{
#ifdef HAVE_LIBSYSTEMD
	return access("/run/systemd/journal/socket", F_OK) == 0;
#else
	return false;
#endif
}

static const struct log_target log_targets[] = {
	{"stderr", emit_stderr},
	{"syslog", emit_syslog},
#ifdef HAVE_LIBSYSTEMD
	{"journal", emit_journal},
#endif
};
static const struct log_target *target = &log_targets[0];
static atomic_int threshold = LOG_LEVEL_INFO;

int log_open(const char *target_name, const char *format_name, struct err *err)
{
	const struct log_target *t = NULL;
	const struct log_format *f = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(log_targets); i++)
		if (!strcmp(log_targets[i].name, target_name))
			t = &log_targets[i];
	for (size_t i = 0; i < ARRAY_SIZE(log_formats); i++)
		if (!strcmp(log_formats[i].name, format_name))
			f = &log_formats[i];
	if (!t)
		return err_set(err, EINVAL, "log=%s: this build cannot log there", target_name);
	if (!f)
		return err_set(err, EINVAL, "log_format=%s: no such format", format_name);
	target = t;
	format = f;
	return 0;
}

void log_set_level(enum log_level level)
{
	atomic_store(&threshold, (int)level);
}

bool log_enabled(enum log_level level)
{
	return (int)level <= atomic_load_explicit(&threshold, memory_order_relaxed);
}

int log_level_parse(const char *name)
{
	static const struct {
		const char *name;
		enum log_level level;
	} names[] = {
		{"error", LOG_LEVEL_ERROR},  {"warning", LOG_LEVEL_WARNING},
		{"warn", LOG_LEVEL_WARNING}, {"info", LOG_LEVEL_INFO},
		{"debug", LOG_LEVEL_DEBUG},  {"trace", LOG_LEVEL_DEBUG},
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcasecmp(names[i].name, name))
			return (int)names[i].level;
	return -EINVAL;
}

/* Counts the lines of each event and uid, in the second that begins with the first line: one user's
 * failures leave room for those of others. Users beyond the table's size share `rest`. */
static struct share {
	const char *event;
	long long uid;
	uint64_t begun;
	unsigned lines, left_out;
} shares[64], rest;
static struct lock shares_lock = LOCK_INITIALIZER(LOCK_LOG); /* guards both */

/* The limit of such lines a second; 0: none. *uid: the line's user, -1 if it names none. */
static unsigned most_of(enum log_level level, const struct log_field *fields, long long *uid)
{
	bool has_errno = false;

	*uid = -1;
	if (level == LOG_LEVEL_DEBUG)
		return 0;
	for (; fields->key; fields++) {
		has_errno |= !strcmp(fields->key, "errno");
		if (!strcmp(fields->key, "uid"))
			*uid = fields->num;
	}
	if (has_errno)
		return FAILURES_MAX;
	return *uid > 0 ? LINES_MAX : 0;
}

/* The row of an event and uid, a row whose second is over, or `rest` if all are busy. */
static struct share *share_locked(const char *event, long long uid, uint64_t now)
{
	LOCK_HELD(&shares_lock);
	struct share *over = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(shares); i++) {
		struct share *s = &shares[i];

		if (s->event == event && s->uid == uid)
			return s;
		if (!s->event ||
		    (now - s->begun >= NS_PER_SEC && (!over || s->begun < over->begun)))
			over = !over || over->event ? s : over;
	}
	if (!over)
		return &rest;
	*over = (struct share){.event = event, .uid = uid};
	return over;
}

/* Whether one more line fits; *left_out lines of the second before are to be reported first. */
static bool has_room(const char *event, long long uid, unsigned most, unsigned *left_out)
{
	LOCK_SCOPE(&shares_lock);
	uint64_t now = clock_mono();
	struct share *s = share_locked(event, uid, now);

	if (now - s->begun >= NS_PER_SEC) {
		*left_out = s->left_out;
		s->begun = now;
		s->lines = s->left_out = 0;
	}
	if (s->lines >= most) {
		s->left_out++;
		return false;
	}
	s->lines++;
	return true;
}

void log_write(enum log_level level, const char *event, const struct log_field *fields)
{
	unsigned left_out = 0, most;
	long long uid;

	most = most_of(level, fields, &uid);
	if (most && !has_room(event, uid, most, &left_out))
		return;
	if (left_out)
		target->emit(LOG_LEVEL_INFO, "more of the same were left out",
			     (const struct log_field[]){F_STR("event", event),
							F_INT("lines", left_out),
							F_INT("uid", uid),
							{0}});
	target->emit(level, event, fields);
}
