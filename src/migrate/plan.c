// SPDX-License-Identifier: Apache-2.0
/* Plans a migration, without asking the server. */

#include "migrate/plan.h"

#include "vault/path.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Splits "DB_MAX_CONNS" at its first '_' with something on both sides. */
static int place_by_name(struct plan_item *item, const char *name)
{
	const char *cut = name + strspn(name, "_");

	cut = *cut ? strchr(cut, '_') : NULL;
	if (cut && !cut[1])
		cut = NULL;
	item->path = cut ? strndup(name, (size_t)(cut - name)) : strdup(name);
	item->field = strdup(cut ? cut + 1 : "value");
	if (!item->path || !item->field)
		return -ENOMEM;
	for (char *p = item->path; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	for (char *p = item->field; cut && *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return 0;
}

/* "database/connection#url", "database/connection/url" */
static int place_by_row(struct plan_item *item, const char *row, struct err *err)
{
	const char *cut = strchr(row, '#');

	cut = cut ? cut : strrchr(row, '/');
	if (!cut || cut == row || !cut[1] || *row == '/' || strstr(row, "//"))
		return err_set(err, EINVAL, "the mapping of %s is %s: write PATH/FIELD",
			       item->variable, row);
	item->path = strndup(row, (size_t)(cut - row));
	item->field = strdup(cut + 1);
	if (!item->path || !item->field)
		return -ENOMEM;
	if (path_check_exact(item->path, err) < 0)
		return err_prefix(err, "the mapping of %s is %s", item->variable, row);
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct plan_item *x = a, *y = b;
	int d = strcmp(x->path, y->path);

	return d ? d : strcmp(x->field, y->field);
}

static int check_each_once(const struct plan *p, struct err *err)
{
	for (size_t i = 1; i < p->count; i++)
		if (compare(&p->items[i - 1], &p->items[i]) == 0)
			return err_set(err, EINVAL,
				       "%s and %s are both to be %s#%s: tell them apart by a "
				       "mapping",
				       p->items[i - 1].variable, p->items[i].variable,
				       p->items[i].path, p->items[i].field);
	return 0;
}

/* The part of a name that decides its place: without its first `skip` bytes, and without `strip` if
 * it begins with that and is longer. */
static const char *telling(const char *name, size_t skip, const char *strip)
{
	size_t len = strip ? strlen(strip) : 0;

	name += skip;
	return len && !strncmp(name, strip, len) && name[len] ? name + len : name;
}

int plan_make(struct plan *p, const struct dotenv *from, const struct mapping *map, size_t skip,
	      const char *strip, struct err *err)
{
	int r = 0;

	*p = (struct plan){.items = calloc(from->count + 1, sizeof(*p->items))};
	if (!p->items)
		return err_set(err, ENOMEM, "no memory");
	for (size_t i = 0; r == 0 && i < from->count; i++) {
		struct plan_item *item = &p->items[p->count];
		const char *row;

		if (!from->rows[i].last)
			continue;
		*item = (struct plan_item){.row = &from->rows[i], .variable = from->rows[i].name};
		p->count++;
		row = mapping_path(map, item->variable);
		r = row ? place_by_row(item, row, err)
			: place_by_name(item, telling(item->variable, skip, strip));
	}
	if (r == -ENOMEM)
		return err_set(err, ENOMEM, "no memory");
	if (r < 0)
		return r;
	qsort(p->items, p->count, sizeof(*p->items), compare);
	return check_each_once(p, err);
}

void plan_fini(struct plan *p)
{
	for (size_t i = 0; i < p->count; i++) {
		free(p->items[i].path);
		free(p->items[i].field);
	}
	free(p->items);
	*p = (struct plan){0};
}

size_t plan_group(const struct plan *p, size_t i)
{
	size_t n = 1;

	while (i + n < p->count && !strcmp(p->items[i].path, p->items[i + n].path))
		n++;
	return n;
}

size_t plan_judge(struct plan_item *items, size_t count, const struct kv_version *now,
		  bool overwrite)
{
	size_t to_write = 0;

	for (size_t i = 0; i < count; i++) {
		const struct dotenv_row *row = items[i].row;
		const struct kv_field *f =
			kv_version_field(now, items[i].field, strlen(items[i].field));

		if (!f)
			items[i].action = PLAN_CREATE;
		else if (f->len == row->len && !memcmp(f->text, row->value, row->len))
			items[i].action = PLAN_SAME;
		else
			items[i].action = overwrite ? PLAN_REPLACE : PLAN_DIFFERS;
		to_write += items[i].action == PLAN_CREATE || items[i].action == PLAN_REPLACE;
	}
	return to_write;
}

cJSON *plan_mapping(const struct plan *p)
{
	cJSON *json = cJSON_CreateObject();

	for (size_t i = 0; json && i < p->count; i++) {
		const struct plan_item *item = &p->items[i];
		bool odd = strpbrk(item->field, "/#") || strchr(item->path, '#');
		char *name = NULL;

		if (asprintf(&name, "%s%c%s", item->path, odd ? '#' : '/', item->field) < 0 ||
		    json_add(json, name, strlen(name),
			     json_new_string(item->variable, strlen(item->variable))) < 0) {
			cJSON_Delete(json);
			json = NULL;
		}
		free(name);
	}
	return json;
}
