// SPDX-License-Identifier: Apache-2.0
/* Mappings between fields and variables, in the format of env_map=. */

#include "remote/mapping.h"

#include "base/secret.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FILE_MAX (4u << 20)

static bool is_variable(const char *name)
{
	if (!name || (!isalpha((unsigned char)*name) && *name != '_'))
		return false;
	for (; *name; name++)
		if (!isalnum((unsigned char)*name) && *name != '_' && *name != '.' && *name != '-')
			return false;
	return true;
}

static int check(const struct mapping *m, const char *file, struct err *err)
{
	if (!cJSON_IsObject(m->json))
		return err_set(err, EINVAL, "%s is no JSON object of paths and variables", file);
	for (const cJSON *row = m->json->child; row; row = row->next) {
		if (!cJSON_IsString(row) || !is_variable(row->valuestring))
			return err_set(err, EINVAL, "%s: %s does not stand for a variable's name",
				       file, row->string);
		for (const cJSON *other = row->next; other; other = other->next)
			if (cJSON_IsString(other) && !strcmp(other->valuestring, row->valuestring))
				return err_set(err, EINVAL, "%s: %s and %s are both %s", file,
					       row->string, other->string, row->valuestring);
	}
	return 0;
}

int mapping_read(struct mapping *m, const char *file, struct err *err)
{
	_cleanup_secret_ struct secret *text = NULL;
	struct json_where where;
	int r;

	*m = (struct mapping){0};
	if (!file)
		return 0;
	r = secret_from_file(file, FILE_MAX, SECRET_WORD, &text, err);
	if (r < 0)
		return err_prefix(err, "cannot read %s", file), r;
	r = json_parse(text->bytes, text->len, &m->json, &where);
	if (r == -EINVAL)
		return err_set(err, EINVAL, "%s, line %zu, column %zu: %s", file, where.line,
			       where.column, where.what);
	return r < 0 ? err_set(err, -r, "no memory for %s", file) : check(m, file, err);
}

void mapping_fini(struct mapping *m)
{
	cJSON_Delete(steal(m->json));
}

/* Whether a row names the field: "PATH/FIELD" or "PATH#FIELD". */
static bool names(const char *row, const char *path, const char *field)
{
	size_t len = strlen(path);

	return !strncmp(row, path, len) && (row[len] == '/' || row[len] == '#') &&
	       !strcmp(row + len + 1, field);
}

const char *mapping_variable(const struct mapping *m, const char *path, const char *field,
			     const char *source)
{
	size_t len = source ? strlen(source) : 0;
	const char *below =
		len && !strncmp(path, source, len) && path[len] == '/' ? path + len + 1 : path;

	for (const cJSON *row = m->json ? m->json->child : NULL; row; row = row->next)
		if (names(row->string, path, field) || names(row->string, below, field) ||
		    !strcmp(row->string, field))
			return row->valuestring;
	return NULL;
}

const char *mapping_path(const struct mapping *m, const char *variable)
{
	for (const cJSON *row = m->json ? m->json->child : NULL; row; row = row->next)
		if (!strcmp(row->valuestring, variable))
			return row->string;
	return NULL;
}

char *mapping_name(const char *prefix, const char *field)
{
	char *name = NULL;

	if (asprintf(&name, "%s%s", prefix ? prefix : "", field) < 0)
		return NULL;
	for (char *p = name + (prefix ? strlen(prefix) : 0); *p; p++)
		*p = isalnum((unsigned char)*p) ? (char)toupper((unsigned char)*p) : '_';
	return name;
}
