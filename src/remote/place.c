// SPDX-License-Identifier: Apache-2.0
/* Paths as people write them. */

#include "remote/place.h"

#include "host/mountpoint.h"
#include "node/name.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

#define ATTRIBUTE_MAX 4096

void place_fini(struct place *place)
{
	free(place->full);
	free(place->field);
	*place = (struct place){0};
}

void place_tidy(char *path)
{
	char *to = path;

	for (const char *from = path; *from; from++)
		if (*from != '/' || (to > path && to[-1] != '/'))
			*to++ = *from;
	if (to > path && to[-1] == '/')
		to--;
	*to = '\0';
}

/* Heap; NULL where there is none. */
static char *attribute(const char *path, const char *name)
{
	char value[ATTRIBUTE_MAX + 1];
	ssize_t n = getxattr(path, name, value, ATTRIBUTE_MAX);

	if (n < 0)
		return NULL;
	value[n] = '\0';
	return strdup(value);
}

static bool take_attributes(struct place *place, const char *path)
{
	if (!mountpoint_holds(path))
		return false;
	place->full = attribute(path, "user.vault.path");
	place->field = place->full ? attribute(path, "user.vault.field") : NULL;
	return place->full != NULL;
}

/* What is not there yet, in a directory that is. */
static bool take_new(struct place *place, const char *path)
{
	_cleanup_free_ char *parent = strdup(path), *above = NULL;
	char raw[NAME_BYTES_MAX + 1], *slash;

	for (size_t n = parent ? strlen(parent) : 0; n > 1 && parent[n - 1] == '/'; n--)
		parent[n - 1] = '\0';
	slash = parent ? strrchr(parent, '/') : NULL;
	if (!slash || slash == parent || name_unescape(slash + 1, raw) < 0)
		return false;
	*slash = '\0';
	if (!mountpoint_holds(parent))
		return false;
	above = attribute(parent, "user.vault.path");
	if (!above || asprintf(&place->full, "%s/%s", strcmp(above, "/") ? above : "", raw) < 0)
		place->full = NULL;
	return place->full != NULL;
}

/* A path of this machine: with its '#', or else without. */
static bool take_file(struct place *place, const char *word)
{
	_cleanup_free_ char *path = strdup(word);
	char *field = path ? strrchr(path, '#') : NULL;

	if (take_attributes(place, word))
		return true;
	if (field) {
		*field++ = '\0';
		if (take_attributes(place, path) && !place->field) {
			place->field = *field ? strdup(field) : NULL;
			return true;
		}
		free(steal(place->full));
		free(steal(place->field));
	}
	return take_new(place, word);
}

static bool is_file_name(const char *word)
{
	return *word == '/' || !strncmp(word, "./", 2) || !strncmp(word, "../", 3) ||
	       !strcmp(word, ".") || !strcmp(word, "..");
}

int place_parse(struct place *place, const char *word, struct err *err)
{
	char *field;

	*place = (struct place){0};
	if (is_file_name(word) && take_file(place, word)) {
		place_tidy(place->full);
		return 0;
	}
	if (*word == '.')
		return err_set(err, EINVAL, "%s is not in a mount of vaultfs", word);
	place->full = strdup(word);
	if (!place->full)
		return err_set(err, ENOMEM, "no memory");
	field = strrchr(place->full, '#');
	if (field)
		*field++ = '\0';
	if (field && *field)
		place->field = strdup(field);
	place_tidy(place->full);
	if (!*place->full && (*word != '/' || place->field))
		return err_set(err, EINVAL, "%s names nothing: write ENGINE/PATH, secret/app/db",
			       word);
	return 0;
}
