// SPDX-License-Identifier: Apache-2.0
/* The layers of a mount above the server.
 *
 *      fallback    server (fresh, stale, offline)   environment   defaults
 *      override    environment   server   defaults
 *      only        environment            defaults
 *      off                       server   defaults
 *
 * The layers are applied to the cache's answer when the tree is about to show it, and nowhere
 * deeper. Below the cache, the environment's value would replace a stale one in an outage, although
 * that goes first, and would be fresh there for a ttl. In the base of commits, a check-and-set
 * write would send the environment to the server: so commits are made from the server's answers,
 * without layers. */

#include "layer/layers.h"

#include "layer/rows.h"
#include "layer/variables.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct layers {
	enum layer_mode mode;
	struct variables variables;
	struct rows map, defaults;
	char *root;
};

int layers_new(const struct layers_config *config, struct layers **out, struct err *err)
{
	struct layers *l;
	int r = 0;

	*out = NULL;
	if (config->mode == LAYER_OFF && !config->defaults)
		return 0;
	l = calloc(1, sizeof(*l));
	if (!l)
		return err_set(err, ENOMEM, "no memory for layers");
	l->mode = config->mode;
	if (l->mode != LAYER_OFF)
		r = variables_take(&l->variables, config->env_file, err);
	if (r == 0 && l->mode != LAYER_OFF && config->env_map)
		r = rows_read_map(config->env_map, &l->map, err);
	if (r == 0 && config->defaults)
		r = rows_read_defaults(config->defaults, &l->defaults, err);
	if (r < 0)
		layers_free(l);
	else
		*out = l;
	return r;
}

void layers_free(struct layers *l)
{
	if (!l)
		return;
	variables_fini(&l->variables);
	rows_fini(&l->map);
	rows_fini(&l->defaults);
	free(l->root);
	free(l);
}

int layers_set_root(struct layers *l, const char *prefix)
{
	free(l->root);
	l->root = strdup(prefix);
	return l->root ? 0 : -ENOMEM;
}

/* The path below SOURCE. */
static const char *relative(const struct layers *l, const char *path)
{
	size_t len = strlen(l->root);

	if (!len)
		return path;
	if (strncmp(path, l->root, len) != 0 || (path[len] && path[len] != '/'))
		return "";
	return path[len] ? path + len + 1 : "";
}

static void add_letters(char **to, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)bytes[i];

		if (c >= 'a' && c <= 'z')
			*(*to)++ = (char)(c - 'a' + 'A');
		else if ((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
			*(*to)++ = (char)c;
		else if ((c & 0xc0) != 0x80) /* once for a character of several bytes */
			*(*to)++ = '_';
	}
}

/* "database/connection", "url": DATABASE_CONNECTION_URL. Heap; NULL: no memory. */
static char *derive(const char *path, const char *name, size_t len)
{
	char *text = malloc(strlen(path) + len + 2), *to = text;

	if (!text)
		return NULL;
	add_letters(&to, path, strlen(path));
	if (*path)
		*to++ = '_';
	add_letters(&to, name, len);
	*to = '\0';
	return text;
}

static const struct variable *row_variable(const struct layers *l, const struct row *row)
{
	return variables_find(&l->variables, row->variable, true);
}

static void field_of_variable(const struct variable *v, struct kv_field *out)
{
	*out = (struct kv_field){.text = v->value,
				 .len = v->len,
				 .type = KV_STRING,
				 .binary = !kv_is_text(v->value, v->len)};
}

static bool find_variable(const struct layers *l, const char *path, const char *name, size_t len,
			  struct kv_field *out, bool *listed)
{
	const struct row *row = rows_find(&l->map, path, name, len);
	_cleanup_free_ char *derived = row ? NULL : derive(path, name, len);
	const struct variable *v = NULL;

	*listed = row != NULL;
	if (row)
		v = row_variable(l, row);
	else if (derived)
		v = variables_find(&l->variables, derived, false);
	if (!v)
		return false;
	field_of_variable(v, out);
	return true;
}

enum layer_origin layers_field(const struct layers *l, const char *path, const char *name,
			       size_t len, struct kv_field *out)
{
	enum layer_origin origin = LAYER_NONE;
	const struct row *row;
	bool listed;

	if (!l)
		return LAYER_NONE;
	path = relative(l, path);
	row = rows_find(&l->defaults, path, name, len);
	if (find_variable(l, path, name, len, out, &listed)) {
		origin = LAYER_ENV;
	} else if (row) {
		*out = *row->field;
		origin = LAYER_DEFAULT;
	}
	out->name = name;
	out->name_len = len;
	return origin;
}

static bool is_first(const struct layers *l)
{
	return l->mode == LAYER_OVERRIDE || l->mode == LAYER_ONLY;
}

bool layers_first(const struct layers *l, const char *path, const char *name, size_t len,
		  bool *listed)
{
	struct kv_field field;

	*listed = false;
	return l && is_first(l) && find_variable(l, relative(l, path), name, len, &field, listed);
}

/* Whether a row of the map has a variable: without one the row shows nothing. */
static bool any_is_set(const struct layers *l, const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (row_variable(l, &rows[i]))
			return true;
	return false;
}

bool layers_directory(const struct layers *l, const char *path)
{
	_cleanup_free_ char *prefix = NULL;
	const struct row *rows;
	size_t n;

	if (!l)
		return false;
	path = relative(l, path);
	if (!*path)
		return true;
	rows = rows_of(&l->map, path, &n);
	if (any_is_set(l, rows, n))
		return true;
	rows = rows_below(&l->map, path, &n);
	if (any_is_set(l, rows, n))
		return true;
	if (rows_of(&l->defaults, path, &n) || rows_below(&l->defaults, path, &n))
		return true;
	prefix = derive(path, "", 0);
	return prefix && variables_begin(&l->variables, prefix);
}

/* The changes that the rows of one path make to a version. */
struct overlay {
	struct kv_change *changes;
	size_t count;
};

static void change_to(struct overlay *o, const struct row *row, const struct kv_field *to)
{
	for (size_t i = 0; i < o->count; i++)
		if (o->changes[i].name_len == row->name_len &&
		    !memcmp(o->changes[i].name, row->name, row->name_len))
			return; /* the environment has it */
	o->changes[o->count++] = (struct kv_change){.name = row->name,
						    .name_len = row->name_len,
						    .type = to->type,
						    .binary = to->binary,
						    .text = to->text,
						    .len = to->len};
}

static void add_variables(const struct layers *l, const struct row *rows, size_t count,
			  const struct kv_version *base, struct overlay *o)
{
	for (size_t i = 0; i < count; i++) {
		const struct variable *v = row_variable(l, &rows[i]);
		struct kv_field field;

		if (!v || (!is_first(l) && kv_version_field(base, rows[i].name, rows[i].name_len)))
			continue;
		field_of_variable(v, &field);
		change_to(o, &rows[i], &field);
	}
}

/* Variables that no row names are not listed. But one for a field that the server has overrides the
 * server's value. */
static int add_unlisted(const struct layers *l, const char *path, const struct kv_version *base,
			struct overlay *o)
{
	for (size_t i = 0; is_first(l) && i < base->count; i++) {
		const struct kv_field *f = &base->fields[i];
		struct row row = {.name = (char *)f->name, .name_len = f->name_len};
		struct kv_field field;
		bool listed;

		if (find_variable(l, path, f->name, f->name_len, &field, &listed) && !listed)
			change_to(o, &row, &field);
	}
	return 0;
}

/* A variable that no row of the map names overrides the default, as when the field alone is read. */
static void add_defaults(const struct layers *l, const char *path, const struct row *rows,
			 size_t count, const struct kv_version *base, struct overlay *o)
{
	for (size_t i = 0; i < count; i++) {
		const struct row *row = &rows[i];
		struct kv_field field;
		bool listed;

		if (kv_version_field(base, row->name, row->name_len))
			continue;
		if (find_variable(l, path, row->name, row->name_len, &field, &listed))
			change_to(o, row, &field);
		else
			change_to(o, row, row->field);
	}
}

void layer_memo_fini(struct layer_memo *m)
{
	object_put(m->base);
	object_put(m->shown);
	*m = (struct layer_memo){0};
}

/* Keeps both and returns `shown`. NULL stays NULL. */
static void *remember(struct layer_memo *m, void *base, void *shown)
{
	layer_memo_fini(m);
	if (shown && shown != base) {
		m->base = object_ref(base);
		m->shown = object_ref(shown);
	}
	object_put(base);
	return shown;
}

/* NULL: it must be computed. */
static void *recall(const struct layer_memo *m, void *base)
{
	if (m->base != base || !base)
		return NULL;
	object_put(base);
	return object_ref(m->shown);
}

static struct kv_version *version_over(const struct layers *l, const char *path,
				       struct kv_version *base)
{
	size_t mapped, defaults;
	const struct row *map, *preset;
	struct overlay o = {0};
	struct kv_version *v;

	map = rows_of(&l->map, path, &mapped);
	preset = rows_of(&l->defaults, path, &defaults);
	if (!map && !preset && !(is_first(l) && base->count))
		return object_ref(base);
	o.changes = calloc(mapped + defaults + base->count + 1, sizeof(*o.changes));
	if (!o.changes)
		return NULL;
	add_variables(l, map, mapped, base, &o);
	add_unlisted(l, path, base, &o);
	add_defaults(l, path, preset, defaults, base, &o);
	v = o.count ? kv_version_apply(base, o.changes, o.count, false) : object_ref(base);
	if (v && v != base) {
		v->created = base->created;
		v->deletion = base->deletion;
	}
	free(o.changes);
	return v;
}

struct kv_version *layers_version(const struct layers *l, const char *path, struct kv_version *base,
				  struct layer_memo *m)
{
	struct kv_version *v = recall(m, base);

	return v ? v : remember(m, base, version_over(l, relative(l, path), base));
}

/* The names of one folder's rows, to be merged into a list. */
struct names {
	struct kv_entry *all;
	size_t count, bytes;
};

static void add_name(struct names *names, const char *name, size_t len)
{
	struct kv_entry *last = names->count ? &names->all[names->count - 1] : NULL;
	char *copy;

	/* Rows are sorted by path. */
	if (last && strlen(last->name) == len && !strncmp(last->name, name, len))
		return;
	copy = strndup(name, len);
	if (!copy)
		return;
	names->all[names->count++] = (struct kv_entry){.name = copy, .kinds = LAYER_ENTRY};
	names->bytes += len + 1;
}

static void add_names(const struct layers *l, const char *path, const struct row *rows,
		      size_t count, struct names *names)
{
	size_t skip = *path ? strlen(path) + 1 : 0;

	for (size_t i = 0; i < count; i++) {
		const char *rest = rows[i].path + skip;

		if (!rows[i].variable || row_variable(l, &rows[i]))
			add_name(names, rest, strcspn(rest, "/"));
	}
}

static void list_free(struct object *o)
{
	free(container_of(o, struct kv_list, object));
}

static int compare_entries(const void *a, const void *b)
{
	return strcmp(((const struct kv_entry *)a)->name, ((const struct kv_entry *)b)->name);
}

static void put_entry(struct kv_list *list, char **blob, const char *name, unsigned kinds)
{
	size_t len = strlen(name) + 1;

	list->entries[list->count++] =
		(struct kv_entry){.name = memcpy(*blob, name, len), .kinds = kinds};
	*blob += len;
}

/* Whether a row of the map hides a folder's entry, because the environment goes first. */
static bool is_covered(const struct layers *l, const char *path, const char *name)
{
	const struct row *row = is_first(l) ? rows_find(&l->map, path, name, strlen(name)) : NULL;

	return row && row_variable(l, row);
}

static struct kv_list *merge(const struct layers *l, const char *path, const struct kv_list *base,
			     const struct names *names)
{
	size_t rows = base->count + names->count, bytes = names->bytes, size, kept = 0;
	struct kv_list *list;
	char *blob;

	for (size_t i = 0; i < base->count; i++)
		bytes += strlen(base->entries[i].name) + 1;
	size = sizeof(*list) + rows * sizeof(list->entries[0]) + bytes;
	list = malloc(size);
	if (!list)
		return NULL;
	list->object = (struct object){.refs = 1, .size = size, .free = list_free};
	list->count = 0;
	blob = (char *)&list->entries[rows];
	for (size_t i = 0; i < base->count; i++)
		if (!is_covered(l, path, base->entries[i].name))
			put_entry(list, &blob, base->entries[i].name, base->entries[i].kinds);
	for (size_t i = 0; i < names->count; i++)
		put_entry(list, &blob, names->all[i].name, LAYER_ENTRY);
	qsort(list->entries, list->count, sizeof(list->entries[0]), compare_entries);
	for (size_t i = 0; i < list->count; i++) {
		if (kept && !strcmp(list->entries[kept - 1].name, list->entries[i].name))
			list->entries[kept - 1].kinds |= list->entries[i].kinds;
		else
			list->entries[kept++] = list->entries[i];
	}
	list->count = kept;
	return list;
}

static bool changes_anything(const struct layers *l, const char *path, const struct kv_list *base,
			     const struct names *names)
{
	for (size_t i = 0; i < names->count; i++)
		if (!(kv_list_find(base, names->all[i].name) & LAYER_ENTRY))
			return true;
	for (size_t i = 0; i < base->count; i++)
		if (is_covered(l, path, base->entries[i].name))
			return true;
	return false;
}

static struct kv_list *list_over(const struct layers *l, const char *path, struct kv_list *base)
{
	struct names names = {0};
	size_t mapped, defaults;
	const struct row *map, *preset;
	struct kv_list *list;

	map = rows_below(&l->map, path, &mapped);
	preset = rows_below(&l->defaults, path, &defaults);
	names.all = calloc(mapped + defaults + 1, sizeof(*names.all));
	if (!names.all)
		return NULL;
	add_names(l, path, map, mapped, &names);
	add_names(l, path, preset, defaults, &names);
	list = changes_anything(l, path, base, &names) ? merge(l, path, base, &names)
						       : object_ref(base);
	for (size_t i = 0; i < names.count; i++)
		free((char *)names.all[i].name);
	free(names.all);
	return list;
}

struct kv_list *layers_list(const struct layers *l, const char *path, struct kv_list *base,
			    struct layer_memo *m)
{
	struct kv_list *list = recall(m, base);

	return list ? list : remember(m, base, list_over(l, relative(l, path), base));
}

void layers_explain(const struct layers *l, const char *path, const char *name, size_t len,
		    struct err *err)
{
	_cleanup_free_ char *derived = NULL;
	const struct row *row;
	const char *variable;

	if (!l || !err || l->mode == LAYER_OFF)
		return;
	path = relative(l, path);
	row = rows_find(&l->map, path, name, len);
	derived = derive(path, name, len);
	variable = row ? row->variable : derived;
	err_prefix(err, "%s%s%.*s: there is no variable %s, and of the server", path,
		   *path ? "/" : "", (int)len, name, variable ? variable : "");
}
