// SPDX-License-Identifier: Apache-2.0
/* Names that stand twice. Two spellings may be one name ("a", "\u0061"), so that the tree tells which
 * are the same; the text tells where they stand, since the names of both come in the same order. */

#include "edit/json_unique.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct name {
	const char *text;
	size_t number; /* of the member, in the order of the text, from 0 */
};

static int compare(const void *a, const void *b)
{
	const struct name *x = a, *y = b;
	int c = strcmp(x->text, y->text);

	return c ? c : (x->number > y->number) - (x->number < y->number);
}

static size_t count_members(const cJSON *item)
{
	size_t n = 0;

	for (const cJSON *child = item->child; child; child = child->next)
		n += (child->string != NULL) + count_members(child);
	return n;
}

/* The earliest second coming among the names of this very object, SIZE_MAX where there is none.
 * `first` is the number of its first member. */
static int check_object(const cJSON *object, size_t first, size_t *again)
{
	size_t n = (size_t)cJSON_GetArraySize(object), i = 0;
	struct name *names = calloc(n + 1, sizeof(*names));

	if (!names)
		return -ENOMEM;
	for (const cJSON *child = object->child; child; child = child->next) {
		names[i++] = (struct name){child->string, first};
		first += 1 + count_members(child);
	}
	qsort(names, n, sizeof(*names), compare);
	for (i = 1; i < n; i++)
		if (!strcmp(names[i - 1].text, names[i].text) && names[i].number < *again)
			*again = names[i].number;
	free(names);
	return 0;
}

static int check(const cJSON *item, size_t *number, size_t *again)
{
	int r = cJSON_IsObject(item) ? check_object(item, *number, again) : 0;

	for (const cJSON *child = item->child; child && r == 0; child = child->next) {
		*number += child->string != NULL;
		r = check(child, number, again);
	}
	return r;
}

/* Past the string that opens at p. */
static const char *skip_string(const char *p, const char *end)
{
	for (p++; p < end && *p != '"'; p++)
		p += *p == '\\';
	return p + 1;
}

static const char *skip_blanks(const char *p, const char *end)
{
	while (p < end && strchr(" \t\r\n", *p))
		p++;
	return p;
}

/* Where name `number` opens. The text is known to be JSON. */
static size_t find_name(const char *text, size_t len, size_t number)
{
	const char *end = text + len;

	for (const char *p = text; p < end;) {
		const char *start = p++, *colon;

		if (*start != '"')
			continue;
		p = skip_string(start, end);
		colon = skip_blanks(p, end);
		if (colon < end && *colon == ':' && number-- == 0)
			return (size_t)(start - text);
	}
	return len;
}

int json_check_unique(const cJSON *tree, const char *text, size_t len, struct json_where *where)
{
	size_t number = 0, again = SIZE_MAX;
	int r = check(tree, &number, &again);

	if (r < 0 || again == SIZE_MAX)
		return r;
	*where = (struct json_where){.line = 1, .column = 1, .what = "a name stands there twice"};
	where->offset = find_name(text, len, again);
	for (size_t i = 0; i < where->offset; i++) {
		where->column++;
		if (text[i] == '\n') {
			where->line++;
			where->column = 1;
		}
	}
	return -EINVAL;
}
