// SPDX-License-Identifier: Apache-2.0
/* The files that name fields beside the server. Paths are checked when they are read: one that
 * nothing could ever ask for is a mistake of its author. */

#include "layer/rows.h"

#include "base/secmem.h"
#include "base/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define FILE_MAX (4u << 20)

static int compare_keys(const char *path, const char *name, size_t len, const struct row *row)
{
	size_t common = len < row->name_len ? len : row->name_len;
	int c = strcmp(path, row->path);

	if (c == 0)
		c = memcmp(name, row->name, common);
	return c ? c : (len > row->name_len) - (len < row->name_len);
}

static int compare(const void *a, const void *b)
{
	const struct row *row = a;

	return compare_keys(row->path, row->name, row->name_len, b);
}

static int read_object(const char *file, cJSON **out, struct err *err)
{
	_cleanup_close_ int fd = trust_open(file, err);
	_cleanup_json_ cJSON *json = NULL;
	_cleanup_buf_ struct buf text = {0};
	struct json_where where = {0};
	int r;

	if (fd < 0)
		return err_prefix(err, "cannot read %s", file), fd;
	r = buf_read(&text, fd, FILE_MAX);
	if (r < 0)
		return err_set(err, -r, "cannot read %s: %s", file, strerror(-r));
	r = json_parse(text.data ? text.data : "", text.len, &json, &where);
	if (r == -ENOMEM)
		return err_set(err, ENOMEM, "no memory for %s", file);
	if (r < 0)
		return err_set(err, EINVAL, "%s, line %zu, column %zu: %s", file, where.line,
			       where.column, where.what);
	if (!cJSON_IsObject(json))
		return err_set(err, EINVAL, "%s: not a JSON object of paths", file);
	*out = steal(json);
	return 0;
}

static struct row *add(struct rows *to)
{
	if (to->count == to->room) {
		size_t room = to->room ? to->room * 2 : 16;
		struct row *all = reallocarray(to->all, room, sizeof(*all));

		if (!all)
			return NULL;
		to->all = all;
		to->room = room;
	}
	to->all[to->count] = (struct row){0};
	return &to->all[to->count++];
}

/* Components separated by single slashes, none empty, "." or ".."; "" is a path too. */
static bool is_path(const char *path)
{
	for (const char *p = path; *path; p++) {
		size_t len = strcspn(p, "/");

		if (!len || (len == 1 && *p == '.') || (len == 2 && !strncmp(p, "..", 2)))
			return false;
		p += len;
		if (!*p)
			return true;
	}
	return true;
}

/* "a/b/c" is the field "c" of "a/b"; "a#b/c" is the field "b/c" of "a"; "c" is a field of SOURCE. */
static int split(const char *file, const char *key, struct row *row, struct err *err)
{
	const char *hash = strchr(key, '#');
	const char *at = hash ? hash : strrchr(key, '/');
	const char *name = at ? at + 1 : key;

	row->path = strndup(key, at ? (size_t)(at - key) : 0);
	row->name_len = strlen(name);
	row->name = strdup(name);
	if (!row->path || !row->name)
		return err_set(err, ENOMEM, "no memory for %s", file);
	if (!row->name_len || at == key || !is_path(row->path))
		return err_set(err, EINVAL, "%s: \"%s\" is not PATH/FIELD below SOURCE", file, key);
	return 0;
}

static int finish(struct rows *rows, const char *file, struct err *err)
{
	if (rows->count)
		qsort(rows->all, rows->count, sizeof(*rows->all), compare);
	for (size_t i = 1; i < rows->count; i++)
		if (compare(&rows->all[i - 1], &rows->all[i]) == 0)
			return err_set(err, EINVAL, "%s: %s%s%s is there twice", file,
				       rows->all[i].path, *rows->all[i].path ? "/" : "",
				       rows->all[i].name);
	return 0;
}

int rows_read_map(const char *file, struct rows *to, struct err *err)
{
	_cleanup_json_ cJSON *json = NULL;
	int r = read_object(file, &json, err);

	for (const cJSON *item = json ? json->child : NULL; item && r == 0; item = item->next) {
		struct row *row = add(to);

		if (!row)
			return err_set(err, ENOMEM, "no memory for %s", file);
		r = split(file, item->string, row, err);
		if (r == 0 && (!cJSON_IsString(item) || !*item->valuestring))
			r = err_set(err, EINVAL, "%s: %s: expected the name of a variable", file,
				    item->string);
		if (r == 0 && !(row->variable = strdup(item->valuestring)))
			r = err_set(err, ENOMEM, "no memory for %s", file);
	}
	return r == 0 ? finish(to, file, err) : err_prefix(err, "env_map");
}

/* Adds all fields of `v` as rows of `path`. */
static int add_fields(struct rows *to, const char *path, struct kv_version *v)
{
	for (size_t i = 0; i < v->count; i++) {
		struct row *row = add(to);

		if (!row)
			return -ENOMEM;
		row->path = strdup(path);
		row->name = malloc(v->fields[i].name_len + 1);
		if (!row->path || !row->name)
			return -ENOMEM;
		memcpy(row->name, v->fields[i].name, v->fields[i].name_len + 1);
		row->name_len = v->fields[i].name_len;
		row->field = &v->fields[i];
		row->from = object_ref(v);
	}
	return 0;
}

/* Turns "database/port": 5432 into {"port": 5432}. */
static int wrap(const char *file, const cJSON *item, struct row *at, cJSON **out, struct err *err)
{
	int r = split(file, item->string, at, err);
	cJSON *value = r == 0 ? cJSON_Duplicate(item, true) : NULL;

	if (r < 0)
		return r;
	*out = cJSON_CreateObject();
	if (!value || !*out || json_add(*out, at->name, at->name_len, value) < 0)
		return err_set(err, ENOMEM, "no memory for %s", file);
	return 0;
}

static int add_default(const char *file, const cJSON *item, struct rows *to, struct err *err)
{
	_cleanup_object_ struct kv_version *v = NULL;
	_cleanup_json_ cJSON *wrapped = NULL;
	struct row at = {0};
	const char *path = item->string;
	int r = 0;

	if (!cJSON_IsObject(item)) {
		r = wrap(file, item, &at, &wrapped, err);
		path = at.path;
	} else if (!is_path(path)) {
		r = err_set(err, EINVAL, "%s: \"%s\" is no path below SOURCE", file, path);
	}
	if (r == 0) {
		r = kv_version_parse(wrapped ? wrapped : item, NULL, &v);
		if (r == 0)
			r = add_fields(to, path, v);
		if (r < 0)
			err_set(err, -r, "%s: %s: %s", file, item->string,
				r == -ENOMEM ? "no memory" : "a field is there twice");
	}
	free(at.path);
	free(at.name);
	return r;
}

int rows_read_defaults(const char *file, struct rows *to, struct err *err)
{
	_cleanup_json_ cJSON *json = NULL;
	int r = read_object(file, &json, err);

	for (const cJSON *item = json ? json->child : NULL; item && r == 0; item = item->next)
		r = add_default(file, item, to, err);
	if (r == 0)
		r = finish(to, file, err);
	return r == 0 ? 0 : err_prefix(err, "defaults");
}

void rows_fini(struct rows *rows)
{
	for (size_t i = 0; i < rows->count; i++) {
		free(rows->all[i].path);
		free(rows->all[i].name);
		free(rows->all[i].variable);
		object_put(rows->all[i].from);
	}
	free(rows->all);
	*rows = (struct rows){0};
}

/* The first row that is not less than that path and name. */
static size_t lower_bound(const struct rows *rows, const char *path, const char *name, size_t len)
{
	size_t low = 0, high = rows->count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (compare_keys(path, name, len, &rows->all[middle]) > 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct row *rows_find(const struct rows *rows, const char *path, const char *name, size_t len)
{
	size_t i = lower_bound(rows, path, name, len);

	if (i == rows->count || compare_keys(path, name, len, &rows->all[i]) != 0)
		return NULL;
	return &rows->all[i];
}

const struct row *rows_of(const struct rows *rows, const char *path, size_t *count)
{
	size_t first = lower_bound(rows, path, "", 0), i = first;

	while (i < rows->count && !strcmp(rows->all[i].path, path))
		i++;
	*count = i - first;
	return *count ? &rows->all[first] : NULL;
}

const struct row *rows_below(const struct rows *rows, const char *path, size_t *count)
{
	size_t len = strlen(path), first, i;
	_cleanup_free_ char *prefix = malloc(len + 2);

	*count = 0;
	if (!prefix)
		return NULL;
	memcpy(prefix, path, len);
	strcpy(prefix + len, len ? "/" : "");
	len = strlen(prefix);
	first = lower_bound(rows, prefix, "", 0);
	/* Rows of SOURCE itself are not below it. */
	while (!len && first < rows->count && !*rows->all[first].path)
		first++;
	for (i = first; i < rows->count && !strncmp(rows->all[i].path, prefix, len);)
		i++;
	*count = i - first;
	return *count ? &rows->all[first] : NULL;
}
