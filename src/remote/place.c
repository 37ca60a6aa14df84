// SPDX-License-Identifier: Apache-2.0
/* Paths as people write them. */

#include "remote/place.h"

#include "base/buf.h"
#include "host/mountpoint.h"
#include "node/name.h"
#include "store/local.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

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

/* A dot that ends it would be taken for the sentence's. */
static void add_escaped(struct buf *to, const char *text, const char *marks)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (isalnum(c) ? c < 0x80 : strchr(marks, c) && (c != '.' || text[1]))
			buf_add(to, text, 1);
		else
			buf_printf(to, "%%%02X", c);
	}
}

void place_print_reference(const char *path, const char *field, struct buf *to)
{
	size_t store = local_is_source(path) ? strlen(LOCAL_SOURCE) : 0;

	buf_add_str(to, "vault://");
	buf_add(to, path, store);
	add_escaped(to, path + store, "-._~/");
	if (field) {
		buf_add_str(to, "#");
		add_escaped(to, field, "-._~");
	}
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

/* Below ".vault" of a secret: a field, an old version or a field of one. */
static int take_below_control(struct place *place, const char *rest, const char *word,
			      struct err *err)
{
	char raw[NAME_BYTES_MAX + 1];
	const char *field = rest;

	if (!strncmp(rest, "versions/", 9)) {
		place->version = strtoll(rest + 9, (char **)&field, 10);
		field += *field == '/';
	} else {
		field = !strncmp(rest, "fields/", 7) ? rest + 7 : NULL;
	}
	if (!field || place->version < 0 || (!*field && !place->version) || strchr(field, '/') ||
	    (*field && name_unescape(field, raw) < 0))
		return err_set(err, EINVAL, "%s is no secret, and no field of one", word);
	place->field = *field ? strdup(raw) : NULL;
	return 0;
}

/* Where ".vault" stands in a path without links, if it is one of ours; NULL where it does not. */
static char *find_control(char *path)
{
	for (char *at = path; (at = strstr(at, "/.vault")); at += 7) {
		char end = at[7];
		bool ours;

		if (end && end != '/')
			continue;
		at[7] = '\0';
		ours = mountpoint_holds(path);
		at[7] = end;
		if (ours)
			return at;
	}
	return NULL;
}

/* What is there. 1 where it is in a mount of ours, 0 where not. */
static int take_there(struct place *place, const char *path, struct err *err)
{
	_cleanup_free_ char *real = mountpoint_holds(path) ? realpath(path, NULL) : NULL;
	char *control = real ? find_control(real) : NULL;

	if (!real)
		return 0;
	if (control)
		*control = '\0';
	place->full = attribute(*real ? real : "/", "user.vault.path");
	if (place->full && !control)
		place->field = attribute(real, "user.vault.field");
	else if (place->full &&
		 take_below_control(place, control[7] ? control + 8 : "", path, err) < 0)
		return -EINVAL;
	return place->full ? 1 : 0;
}

/* The names behind what is there, as the server has them. */
static int add_names(struct buf *full, const char *rest, const char *word, struct err *err)
{
	while (*rest) {
		char name[NAME_BYTES_MAX + 1], raw[NAME_BYTES_MAX + 1];
		size_t len = strcspn(rest, "/");

		if (len > NAME_BYTES_MAX)
			return err_set(err, ENAMETOOLONG, "%s: a name is too long", word);
		snprintf(name, sizeof(name), "%.*s", (int)len, rest);
		if (len &&
		    (!strcmp(name, ".") || !strcmp(name, "..") || name_unescape(name, raw) < 0))
			return err_set(err, EINVAL, "%s: no secret can be called %s", word, name);
		if (len) {
			buf_add_str(full, "/");
			buf_add_str(full, raw);
		}
		rest += len + (rest[len] == '/');
	}
	return buf_status(full) < 0 ? err_set(err, ENOMEM, "no memory") : 0;
}

/* What is not there yet, below a directory that is. */
static int take_new(struct place *place, const char *word, struct err *err)
{
	_cleanup_place_ struct place above = {0};
	_cleanup_free_ char *path = strdup(word);
	_cleanup_buf_ struct buf full = {0};
	char *slash = path ? path + strlen(path) : NULL;
	int r;

	while (slash && slash > path && access(path, F_OK) < 0) {
		do
			slash--;
		while (slash > path && *slash != '/');
		*slash = '\0';
	}
	if (!slash || slash == path)
		return path ? 0 : err_set(err, ENOMEM, "no memory");
	r = take_there(&above, path, err);
	if (r <= 0)
		return r;
	if (above.field || above.version)
		return err_set(err, ENOTDIR, "%s: %s is no directory for secrets", word, path);
	if (strcmp(above.full, "/") != 0)
		buf_add_str(&full, above.full);
	r = add_names(&full, word + (slash - path), word, err);
	if (r < 0)
		return r;
	place->full = strdup(full.data + (*full.data == '/'));
	return place->full ? 1 : err_set(err, ENOMEM, "no memory");
}

/* A path of this machine: with its '#', or else without. */
static int take_file(struct place *place, const char *word, struct err *err)
{
	_cleanup_free_ char *path = strdup(word);
	char *field = path ? strrchr(path, '#') : NULL;
	int r = take_there(place, word, err);

	if (r != 0)
		return r;
	if (field) {
		*field++ = '\0';
		r = take_there(place, path, err);
		if (r > 0 && !place->field) {
			place->field = *field ? strdup(field) : NULL;
			return r;
		}
		place_fini(place);
		if (r < 0)
			return r;
	}
	return take_new(place, word, err);
}

static bool is_file_name(const char *word)
{
	return *word == '/' || !strncmp(word, "./", 2) || !strncmp(word, "../", 3) ||
	       !strcmp(word, ".") || !strcmp(word, "..");
}

int place_parse_version(struct place *place, const char *word, struct err *err)
{
	char *field;
	int r;

	*place = (struct place){0};
	r = is_file_name(word) ? take_file(place, word, err) : 0;
	if (r != 0) {
		if (r > 0)
			place_tidy(place->full);
		return r < 0 ? r : 0;
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

int place_parse(struct place *place, const char *word, struct err *err)
{
	int r = place_parse_version(place, word, err);

	if (r == 0 && place->version)
		return err_set(
			err, EINVAL,
			"%s is of an old version: name the secret, %s, and where it is wanted the "
			"version's number",
			word, place->full);
	return r;
}
