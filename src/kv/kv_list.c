// SPDX-License-Identifier: Apache-2.0
/* Listings: the server's flat array, in which `a` and `a/` are two rows, as entries with kinds. We
 * parse its text: a folder may have any number of names, and a tree takes ten times the memory of
 * the names. */

#include "kv/kv_list.h"

#include <errno.h>
#include <string.h>

static void list_free(struct object *o)
{
	free(container_of(o, struct kv_list, object));
}

static int compare_entries(const void *a, const void *b)
{
	return strcmp(((const struct kv_entry *)a)->name, ((const struct kv_entry *)b)->name);
}

/* Copies the name to `to`, without a folder's slash; returns its kind, or 0 to drop it. */
static unsigned take_name(const char *name, size_t len, char *to)
{
	unsigned kind = KV_ENTRY_SECRET;

	memcpy(to, name, len);
	to[len] = '\0';
	if (len > 0 && to[len - 1] == '/') {
		kind = KV_ENTRY_FOLDER;
		to[--len] = '\0';
	}
	if (len == 0 || strchr(to, '/') || !strcmp(to, ".") || !strcmp(to, ".."))
		return 0;
	return kind;
}

static unsigned take_row(const cJSON *key, char *to)
{
	size_t len = strlen(key->valuestring);

	if (json_string_len(key) != len)
		return 0; /* it holds NUL */
	return take_name(key->valuestring, len, to);
}

unsigned kv_list_row(const cJSON *key, char **name)
{
	_cleanup_free_ char *room = malloc(strlen(key->valuestring) + 1);
	unsigned kind = room ? take_row(key, room) : KV_ENTRY_SECRET;

	*name = kind ? steal(room) : NULL;
	return kind;
}

static void merge_twins(struct kv_list *list)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->count; i++) {
		if (kept > 0 && !strcmp(list->entries[kept - 1].name, list->entries[i].name))
			list->entries[kept - 1].kinds |= list->entries[i].kinds;
		else
			list->entries[kept++] = list->entries[i];
	}
	list->count = kept;
}

static struct kv_list *list_new(size_t rows, size_t bytes, char **blob)
{
	size_t size = sizeof(struct kv_list) + rows * sizeof(struct kv_entry) + bytes;
	struct kv_list *list = malloc(size);

	if (!list)
		return NULL;
	list->object = (struct object){.refs = 1, .size = size, .free = list_free};
	list->count = 0;
	*blob = (char *)&list->entries[rows];
	return list;
}

static void add_entry(struct kv_list *list, char **blob, const char *name, unsigned kinds)
{
	size_t len = strlen(name);

	memmove(*blob, name, len + 1);
	list->entries[list->count++] = (struct kv_entry){.name = *blob, .kinds = kinds};
	*blob += len + 1;
}

bool kv_list_is(const cJSON *keys)
{
	return cJSON_IsArray(keys) || (cJSON_IsRaw(keys) && keys->valuestring[0] == '[');
}

/* The end of the string that opens at p. */
static const char *string_end(const char *p)
{
	for (p++; *p && *p != '"'; p++)
		p += *p == '\\' && p[1];
	return *p ? p + 1 : p;
}

/* Counts the strings of an array's compact text; -EIO if it holds anything else. */
static int count_text(const char *p, size_t *rows)
{
	if (p[1] == ']')
		return 0;
	do {
		if (*++p != '"')
			return -EIO;
		p = string_end(p);
		(*rows)++;
	} while (*p == ',');
	return 0;
}

static int take_text(struct kv_list *list, char *blob, const char *p, size_t rows)
{
	while (rows--) {
		const char *string = p + 1;
		_cleanup_json_ cJSON *key = NULL;
		unsigned kind;

		p = string_end(string);
		if (!memchr(string, '\\', (size_t)(p - string))) {
			kind = take_name(string + 1, (size_t)(p - string) - 2, blob);
		} else {
			key = cJSON_ParseWithLength(string, (size_t)(p - string));
			if (!key)
				return -ENOMEM; /* it was parsed before */
			kind = take_row(key, blob);
		}
		if (kind)
			add_entry(list, &blob, blob, kind);
	}
	return 0;
}

static int count_tree(const cJSON *key, size_t *rows, size_t *bytes)
{
	for (; key; key = key->next) {
		if (!cJSON_IsString(key))
			return -EIO;
		(*rows)++;
		*bytes += strlen(key->valuestring) + 1;
	}
	return 0;
}

static void take_tree(struct kv_list *list, char *blob, const cJSON *key)
{
	for (; key; key = key->next) {
		unsigned kind = take_row(key, blob);

		if (kind)
			add_entry(list, &blob, blob, kind);
	}
}

int kv_list_parse(const cJSON *keys, struct kv_list **out)
{
	const char *text = cJSON_IsRaw(keys) ? keys->valuestring : NULL;
	size_t rows = 0, bytes = text ? strlen(text) : 0;
	struct kv_list *list;
	char *blob;
	int r;

	if (keys && !kv_list_is(keys))
		return -EIO;
	r = text ? count_text(text, &rows) : count_tree(keys ? keys->child : NULL, &rows, &bytes);
	if (r < 0)
		return r;
	list = list_new(rows, bytes, &blob);
	if (!list)
		return -ENOMEM;
	if (text)
		r = take_text(list, blob, text, rows);
	else
		take_tree(list, blob, keys ? keys->child : NULL);
	if (r < 0) {
		list_free(&list->object);
		return r;
	}
	qsort(list->entries, list->count, sizeof(list->entries[0]), compare_entries);
	merge_twins(list);
	*out = list;
	return 0;
}

struct kv_list *kv_list_with(const struct kv_list *list, const char *name, unsigned kinds)
{
	size_t bytes = strlen(name) + 1;
	struct kv_list *with;
	char *blob;

	for (size_t i = 0; i < list->count; i++)
		bytes += strlen(list->entries[i].name) + 1;
	with = list_new(list->count + 1, bytes, &blob);
	if (!with)
		return NULL;
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->entries[i].name, name) != 0)
			add_entry(with, &blob, list->entries[i].name, list->entries[i].kinds);
	if (kinds)
		add_entry(with, &blob, name, kinds);
	qsort(with->entries, with->count, sizeof(with->entries[0]), compare_entries);
	return with;
}

size_t kv_list_index(const struct kv_list *list, const char *name)
{
	struct kv_entry key = {.name = name};
	const struct kv_entry *e = bsearch(&key, list->entries, list->count,
					   sizeof(list->entries[0]), compare_entries);

	return e ? (size_t)(e - list->entries) : list->count;
}

unsigned kv_list_find(const struct kv_list *list, const char *name)
{
	size_t i = kv_list_index(list, name);

	return i < list->count ? list->entries[i].kinds : 0;
}
