// SPDX-License-Identifier: Apache-2.0
/* Environments for other programs. */

#include "cmd/run/environment.h"

#include "base/secmem.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char **find(const struct environment *e, const char *name, size_t len)
{
	for (size_t i = 0; i < e->count; i++)
		if (!strncmp(e->vars[i], name, len) && e->vars[i][len] == '=')
			return &e->vars[i];
	return NULL;
}

static int grow(struct environment *e)
{
	size_t room = e->room ? e->room * 2 : 64;
	char **more;

	if (e->count + 1 < e->room)
		return 0;
	more = realloc(e->vars, room * sizeof(*more));
	if (!more)
		return -ENOMEM;
	e->vars = more;
	e->room = room;
	return 0;
}

static int put(struct environment *e, const char *name, size_t name_len, const char *value,
	       size_t len)
{
	char *text = secmem_alloc(name_len + 1 + len + 1), **old;

	if (!text || grow(e) < 0) {
		secmem_free(text);
		return -ENOMEM;
	}
	old = find(e, name, name_len);
	memcpy(text, name, name_len);
	text[name_len] = '=';
	memcpy(text + name_len + 1, value, len);
	text[name_len + 1 + len] = '\0';
	if (old) {
		secmem_free(*old);
		*old = text;
	} else {
		e->vars[e->count++] = text;
		e->vars[e->count] = NULL;
	}
	return 0;
}

int environment_set(struct environment *e, const char *name, const char *value, size_t len)
{
	return memchr(value, '\0', len) ? -EINVAL : put(e, name, strlen(name), value, len);
}

bool environment_has(const struct environment *e, const char *name)
{
	return find(e, name, strlen(name)) != NULL;
}

int environment_add_ours(struct environment *e, const char *prefix)
{
	int r = 0;

	for (char **v = environ; r == 0 && v && *v; v++) {
		const char *value = strchr(*v, '=');

		if (value && !strncmp(*v, prefix, strlen(prefix)))
			r = put(e, *v, (size_t)(value - *v), value + 1, strlen(value + 1));
	}
	return r;
}

void environment_fini(struct environment *e)
{
	while (e->count)
		secmem_free(e->vars[--e->count]);
	free(e->vars);
	*e = (struct environment){0};
}
