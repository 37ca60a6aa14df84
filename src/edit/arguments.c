// SPDX-License-Identifier: Apache-2.0
/* What a program was told to remove: rm(1) of "db" followed by a slash and a star has the names of all
 * fields in its arguments, and so tells, before it removes the first, that it will remove all. */

#include "edit/arguments.h"

#include "host/process.h"
#include "node/name.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* The last part of an argument, where the part before it, if any, is the directory's name. */
static const char *last_part(const char *argument, const char *dir)
{
	const char *slash = strrchr(argument, '/');
	size_t len = strlen(dir);

	if (!slash)
		return argument;
	if ((size_t)(slash - argument) < len || strncmp(slash - len, dir, len) != 0)
		return NULL;
	return slash - argument == (ptrdiff_t)len || slash[-(ptrdiff_t)len - 1] == '/' ? slash + 1
										       : NULL;
}

static size_t count_named(const struct kv_version *v, const char *dir, const char *arguments,
			  size_t len)
{
	_cleanup_free_ bool *named = calloc(v->count + 1, sizeof(*named));
	char raw[NAME_BYTES_MAX + 1];
	size_t count = 0;

	for (const char *a = arguments; named && a < arguments + len; a += strlen(a) + 1) {
		const char *name = last_part(a, dir);
		int raw_len =
			name && strlen(name) <= NAME_BYTES_MAX ? name_unescape(name, raw) : -1;
		const struct kv_field *f =
			raw_len < 0 ? NULL : kv_version_field(v, raw, (size_t)raw_len);

		if (f && !named[f - v->fields]) {
			named[f - v->fields] = true;
			count++;
		}
	}
	return count;
}

bool arguments_name_all(pid_t pid, const char *dir, const struct kv_version *v)
{
	size_t len = 0;
	_cleanup_free_ char *arguments = process_arguments(pid, &len);

	return arguments && count_named(v, dir, arguments, len) == v->count;
}
