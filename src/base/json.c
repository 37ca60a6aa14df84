// SPDX-License-Identifier: Apache-2.0
/* cJSON, made lossless.
 *
 * cJSON keeps numbers as doubles and strings as C strings: 12345678901234567890 and "a\u0000b" do
 * not survive it. So a lexer rewrites the text before cJSON sees it, and printing reverses that:
 *
 *      in the text        in cJSON's tree (M is the byte 0x01)
 *      12.50              a raw item with the text 12.50
 *      \u0000             M 0
 *      \u0001             M 1
 *
 * A node of a tree takes eighty bytes, and its text can be as short as two: "[],[],[]". So a text
 * may have no more values than its length makes likely. A secret's fields may be any JSON, and only
 * the outer members matter. There an inner object or array becomes a raw item too: its text, as
 * cJSON would print it.
 *
 * The lexer also checks the grammar and says where it is broken. cJSON cannot say where, and lets
 * much pass: control characters in strings, loose numbers, half a surrogate pair, bytes that are
 * not UTF-8, text after the end. */

#include "base/json.h"

#include "base/codec.h"
#include "base/secmem.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

#define MARK	    '\x01'
#define NUMBER_MARK "\"\\u0001#" /* a string with this beginning is a number */
#define DEPTH_MAX   JSON_WHOLE

/* No document or server's answer needs more values than this, plus one for so many bytes. */
#define VALUES_MAX	32768
#define BYTES_PER_VALUE 16

/* The token that the grammar allows next. */
enum expect {
	EXPECT_VALUE,
	EXPECT_VALUE_OR_END, /* after '[' */
	EXPECT_NAME,
	EXPECT_NAME_OR_END, /* after '{' */
	EXPECT_COLON,
	EXPECT_END, /* a comma, or the end of the text, object or array */
};

struct lexer {
	const char *p, *end;
	struct buf *out;
	const char *what;
	enum expect expect;
	size_t values, most;	   /* values so far, and the most there may be */
	size_t depth, shallow;	   /* objects and arrays deeper than `shallow` are raw items */
	size_t raw;		   /* where in `out` the current raw item begins; SIZE_MAX: none */
	bool in_object[DEPTH_MAX]; /* rather than in an array; the innermost is [depth - 1] */
};

static bool is_raw(const struct lexer *x)
{
	return x->raw != SIZE_MAX;
}

void json_init(void)
{
	cJSON_InitHooks(&(cJSON_Hooks){.malloc_fn = secmem_alloc, .free_fn = secmem_free});
}

static bool refuse(struct lexer *x, const char *what)
{
	x->what = what;
	return false;
}

static size_t digits(const char *p, const char *end)
{
	size_t n = 0;

	while (p + n < end && p[n] >= '0' && p[n] <= '9')
		n++;
	return n;
}

/* RFC 8259, section 6. */
static bool lex_number(struct lexer *x)
{
	const char *p = x->p;
	size_t n;

	if (*p == '-')
		p++;
	n = digits(p, x->end);
	if (n == 0 || (n > 1 && *p == '0'))
		return refuse(x, "not a number");
	p += n;
	if (p < x->end && *p == '.') {
		n = digits(++p, x->end);
		if (n == 0)
			return refuse(x, "a number ends with a point");
		p += n;
	}
	if (p < x->end && (*p == 'e' || *p == 'E')) {
		p++;
		if (p < x->end && (*p == '+' || *p == '-'))
			p++;
		n = digits(p, x->end);
		if (n == 0)
			return refuse(x, "a number without its exponent");
		p += n;
	}
	if (!is_raw(x))
		buf_add_str(x->out, NUMBER_MARK);
	buf_add(x->out, x->p, (size_t)(p - x->p));
	if (!is_raw(x))
		buf_add_str(x->out, "\"");
	x->p = p;
	return true;
}

/* The number that "\uXXXX" stands for; -1 if `p` is at no such escape. */
static int hex_escape(const char *p, const char *end)
{
	int number = 0;

	if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
		return -1;
	for (size_t i = 2; i < 6; i++) {
		if (!isxdigit((unsigned char)p[i]))
			return -1;
		number = number * 16 + (p[i] <= '9' ? p[i] - '0' : (p[i] & ~0x20) - 'A' + 10);
	}
	return number;
}

/* Writes the escape of 0 or 1. */
static void add_mark(struct buf *to, int number)
{
	buf_add_str(to, number ? "\\u00011" : "\\u00010");
}

/* A character of a string as cJSON prints it. */
static void add_printed(struct buf *to, unsigned c)
{
	static const char shorts[] = "\bb\ff\nn\rr\tt\"\"\\\\";
	char text[8];

	for (const char *s = shorts; *s && c < 0x80; s += 2) {
		if ((unsigned char)*s == c) {
			buf_add(to, (char[]){'\\', s[1]}, 2);
			return;
		}
	}
	if (c <= 1)
		add_mark(to, (int)c);
	else if (c < 0x20)
		buf_printf(to, "\\u%04x", c);
	else
		buf_add(to, text, utf8_encode(c, text));
}

/* At a backslash and "u". */
static bool lex_hex_escape(struct lexer *x)
{
	int number = hex_escape(x->p, x->end), low;
	size_t len = 6;

	if (number < 0)
		return refuse(x, "no such escape");
	if (number >= 0xd800 && number <= 0xdfff) {
		low = hex_escape(x->p + 6, x->end);
		if (number > 0xdbff || low < 0xdc00 || low > 0xdfff)
			return refuse(x, "half a surrogate pair");
		len = 12;
		if (is_raw(x))
			number = 0x10000 + ((number - 0xd800) << 10) + (low - 0xdc00);
	}
	if (is_raw(x))
		add_printed(x->out, (unsigned)number);
	else if (number <= 1)
		add_mark(x->out, number);
	else
		buf_add(x->out, x->p, len);
	x->p += len;
	return true;
}

/* At a backslash. */
static bool lex_escape(struct lexer *x)
{
	const char *p = x->p;

	if (x->end - p < 2)
		return refuse(x, "the text ends in a string");
	if (p[1] == 'u')
		return lex_hex_escape(x);
	if (!p[1] || !strchr("\"\\/bfnrt", p[1]))
		return refuse(x, "no such escape");
	if (is_raw(x) && p[1] == '/')
		buf_add(x->out, "/", 1);
	else
		buf_add(x->out, p, 2);
	x->p += 2;
	return true;
}

/* At the opening quote. */
static bool lex_string(struct lexer *x)
{
	buf_add(x->out, x->p++, 1);
	for (;;) {
		const char *run = x->p;
		size_t len = 0;

		while (run + len < x->end && run[len] != '"' && run[len] != '\\' &&
		       (unsigned char)run[len] >= 0x20)
			len++;
		x->p += utf8_valid_len(run, len);
		if (x->p < run + len)
			return refuse(x, "not UTF-8");
		buf_add(x->out, run, len);
		if (x->p == x->end)
			return refuse(x, "the text ends in a string");
		if (*x->p == '"') {
			buf_add(x->out, x->p++, 1);
			return true;
		}
		if (*x->p != '\\')
			return refuse(x, "a control character in a string");
		if (!lex_escape(x))
			return false;
	}
}

static bool lex_word(struct lexer *x)
{
	static const char *const words[] = {"true", "false", "null"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		size_t len = strlen(words[i]);

		if ((size_t)(x->end - x->p) >= len && !memcmp(x->p, words[i], len)) {
			buf_add(x->out, x->p, len);
			x->p += len;
			return true;
		}
	}
	return refuse(x, "not a value");
}

static bool lex_open(struct lexer *x)
{
	if (x->depth == DEPTH_MAX)
		return refuse(x, "nested too deep");
	if (x->depth == x->shallow && !is_raw(x))
		x->raw = x->out->len;
	x->in_object[x->depth++] = *x->p == '{';
	x->expect = *x->p == '{' ? EXPECT_NAME_OR_END : EXPECT_VALUE_OR_END;
	buf_add(x->out, x->p++, 1);
	return true;
}

/* Turns the text read since `raw` into a marked string, which unmark_raw() makes a raw item. */
static void close_raw(struct lexer *x)
{
	_cleanup_buf_ struct buf text = {0};
	const char *p, *run, *end;

	if (buf_status(x->out) < 0)
		return;
	buf_add(&text, x->out->data + x->raw, x->out->len - x->raw);
	buf_resize(x->out, x->raw);
	buf_add_str(x->out, NUMBER_MARK);
	if (buf_status(&text) < 0)
		x->out->failed = true;
	end = text.data + text.len;
	for (p = run = text.data; p && p < end; p++) {
		if (*p != '"' && *p != '\\')
			continue;
		buf_add(x->out, run, (size_t)(p - run));
		buf_add_str(x->out, "\\");
		run = p;
	}
	if (run)
		buf_add(x->out, run, (size_t)(end - run));
	buf_add_str(x->out, "\"");
	x->raw = SIZE_MAX;
}

static bool lex_value(struct lexer *x)
{
	char c = *x->p;

	if (!is_raw(x) && ++x->values > x->most)
		return refuse(x, "too many values for its length");
	if (c == '{' || c == '[')
		return lex_open(x);
	x->expect = EXPECT_END;
	if (c == '"')
		return lex_string(x);
	if (c == '-' || (c >= '0' && c <= '9'))
		return lex_number(x);
	return lex_word(x);
}

/* A comma, a colon, or the end of an object or array. */
static bool lex_mark(struct lexer *x)
{
	bool in_object = x->depth > 0 && x->in_object[x->depth - 1];
	char c = *x->p;

	if (x->depth == 0)
		return refuse(x, "text after the end");
	if (x->expect == EXPECT_COLON && c == ':') {
		x->expect = EXPECT_VALUE;
	} else if (x->expect == EXPECT_END && c == ',') {
		x->expect = in_object ? EXPECT_NAME : EXPECT_VALUE;
	} else if (x->expect != EXPECT_COLON && c == (in_object ? '}' : ']')) {
		x->expect = EXPECT_END;
		x->depth--;
	} else {
		return refuse(x, "not JSON");
	}
	buf_add(x->out, x->p++, 1);
	if (is_raw(x) && x->depth == x->shallow)
		close_raw(x);
	return true;
}

static bool lex_token(struct lexer *x)
{
	switch (x->expect) {
	case EXPECT_VALUE_OR_END:
		return *x->p == ']' ? lex_mark(x) : lex_value(x);
	case EXPECT_VALUE:
		return lex_value(x);
	case EXPECT_NAME_OR_END:
		if (*x->p == '}')
			return lex_mark(x);
		/* fall through */
	case EXPECT_NAME:
		x->expect = EXPECT_COLON;
		return *x->p == '"' ? lex_string(x) : refuse(x, "a name is not a string");
	case EXPECT_COLON:
	case EXPECT_END:
		break;
	}
	return lex_mark(x);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool lex(struct lexer *x)
{
	for (;;) {
		while (x->p < x->end && is_blank(*x->p))
			x->p++;
		if (x->p == x->end)
			break;
		if (!lex_token(x))
			return false;
	}
	return x->depth == 0 && x->expect == EXPECT_END ? true
							: refuse(x, "the text ends too soon");
}

static void locate(const char *text, size_t offset, const char *what, struct json_where *where)
{
	if (!where)
		return;
	*where = (struct json_where){.offset = offset, .line = 1, .column = 1, .what = what};
	for (size_t i = 0; i < offset; i++) {
		where->column++;
		if (text[i] == '\n') {
			where->line++;
			where->column = 1;
		}
	}
}

/* Numbers and inner objects come out of cJSON as marked strings. Makes them raw items, which print
 * as they are. */
static void unmark_raw(cJSON *item)
{
	for (; item; item = item->next) {
		char *s = cJSON_IsString(item) ? item->valuestring : NULL;

		if (s && s[0] == MARK && s[1] == '#') {
			memmove(s, s + 2, strlen(s + 2) + 1);
			item->type = cJSON_Raw;
		}
		unmark_raw(item->child);
	}
}

int json_parse_shallow(const char *text, size_t len, size_t depth, cJSON **out,
		       struct json_where *where)
{
	_cleanup_buf_ struct buf b = {0};
	struct lexer x = {.p = text,
			  .end = text + len,
			  .out = &b,
			  .most = VALUES_MAX + len / BYTES_PER_VALUE,
			  .shallow = depth,
			  .raw = SIZE_MAX};
	cJSON *tree;

	buf_reserve(&b, len + len / 8);
	if (!lex(&x)) {
		locate(text, (size_t)(x.p - text), x.what, where);
		return -EINVAL;
	}
	if (buf_status(&b) < 0)
		return -ENOMEM;
	tree = cJSON_ParseWithLengthOpts(b.data, b.len + 1, NULL, true);
	if (!tree)
		return -ENOMEM; /* the grammar was right */
	unmark_raw(tree);
	*out = tree;
	return 0;
}

int json_parse(const char *text, size_t len, cJSON **out, struct json_where *where)
{
	return json_parse_shallow(text, len, DEPTH_MAX, out, where);
}

int json_print(const cJSON *item, bool pretty, struct buf *to)
{
	_cleanup_secmem_ char *text = pretty ? cJSON_Print(item) : cJSON_PrintUnformatted(item);
	const char *p = text, *run = text;

	if (!text)
		return -ENOMEM;
	while ((p = strchr(p, '\\'))) {
		if (strncmp(p, "\\u0001", 6) != 0) {
			p += 2;
			continue;
		}
		buf_add(to, run, (size_t)(p - run));
		buf_add_str(to, p[6] == '0' ? "\\u0000" : "\\u0001");
		run = p += 7;
	}
	buf_add_str(to, run);
	return buf_status(to);
}

static size_t marked_len(const char *s)
{
	size_t len = strlen(s);

	for (const char *p = strchr(s, MARK); p; p = strchr(p + 2, MARK))
		len--;
	return len;
}

static void marked_copy(const char *s, char *to)
{
	for (; *s; s++)
		*to++ = *s != MARK ? *s : *++s == '0' ? '\0' : MARK;
}

size_t json_string_len(const cJSON *string)
{
	return marked_len(string->valuestring);
}

void json_string_copy(const cJSON *string, char *to)
{
	marked_copy(string->valuestring, to);
}

size_t json_key_len(const cJSON *member)
{
	return marked_len(member->string);
}

void json_key_copy(const cJSON *member, char *to)
{
	marked_copy(member->string, to);
}

static char *mark(const char *bytes, size_t len)
{
	struct buf b = {0};

	buf_reserve(&b, len + 1);
	for (size_t i = 0, run = 0; i <= len; i++) {
		if (i < len && bytes[i] != '\0' && bytes[i] != MARK)
			continue;
		buf_add(&b, bytes + run, i - run);
		if (i < len)
			buf_add(&b, (char[]){MARK, bytes[i] == MARK ? '1' : '0'}, 2);
		run = i + 1;
	}
	if (buf_status(&b) < 0)
		buf_fini(&b);
	return b.data;
}

cJSON *json_new_string(const char *bytes, size_t len)
{
	_cleanup_secmem_ char *s = mark(bytes, len);

	return s ? cJSON_CreateString(s) : NULL;
}

/* Marks the escapes of a text as the lexer does: printing reverses it. */
static void mark_escapes(const char *text, size_t len, struct buf *to)
{
	const char *end = text + len, *run = text, *p = text;

	while (p < end && (p = memchr(p, '\\', (size_t)(end - p)))) {
		int number = hex_escape(p, end);

		if (number != 0 && number != 1) {
			p += 2;
			continue;
		}
		buf_add(to, run, (size_t)(p - run));
		add_mark(to, number);
		run = p += 6;
	}
	buf_add(to, run, (size_t)(end - run));
}

cJSON *json_new_raw(const char *text, size_t len)
{
	_cleanup_buf_ struct buf b = {0};

	mark_escapes(text, len, &b);
	return buf_status(&b) < 0 ? NULL : cJSON_CreateRaw(b.data);
}

int json_add(cJSON *object, const char *name, size_t len, cJSON *item)
{
	_cleanup_secmem_ char *s = mark(name, len);

	if (s && item && cJSON_AddItemToObject(object, s, item))
		return 0;
	cJSON_Delete(item);
	return -ENOMEM;
}

cJSON *json_get(const cJSON *object, const char *name)
{
	return cJSON_IsObject(object) ? cJSON_GetObjectItemCaseSensitive(object, name) : NULL;
}

const char *json_get_str(const cJSON *object, const char *name)
{
	const cJSON *item = json_get(object, name);

	if (!cJSON_IsString(item) || !item->valuestring[0] || strchr(item->valuestring, MARK))
		return NULL;
	return item->valuestring;
}

int64_t json_get_int(const cJSON *object, const char *name, int64_t otherwise)
{
	const cJSON *item = json_get(object, name);
	long long n;
	char *end;

	if (!json_is_number(item))
		return otherwise;
	errno = 0;
	n = strtoll(item->valuestring, &end, 10);
	return errno || *end ? otherwise : n;
}

bool json_get_bool(const cJSON *object, const char *name)
{
	return cJSON_IsTrue(json_get(object, name));
}

static int compare_members(const cJSON *a, const cJSON *b)
{
	return strcmp(a->string, b->string);
}

/* cJSON's lists have utlist's layout. */
void json_sort(cJSON *item)
{
	if (cJSON_IsObject(item))
		DL_SORT(item->child, compare_members);
	for (cJSON *c = item->child; c; c = c->next)
		json_sort(c);
}
