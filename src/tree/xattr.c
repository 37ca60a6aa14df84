// SPDX-License-Identifier: Apache-2.0
/* Attributes that can be read. The names are in a table; outside "user." there is nothing. */

#include "tree/xattr.h"

#include "tree/field.h"

#include "base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct subject {
	struct tree *t;
	struct dir *dir;
	struct field *field; /* NULL: the directory itself */
	struct kv_version *version;
};

static char *version_text(const struct subject *s)
{
	char *text;

	return asprintf(&text, "%" PRId64, s->version->number) < 0 ? NULL : text;
}

static char *path_text(const struct subject *s)
{
	char *text;

	return asprintf(&text, "%s%s%s", s->t->config.label, *s->dir->path ? "/" : "",
			s->dir->path) < 0
		       ? NULL
		       : text;
}

static char *field_text(const struct subject *s)
{
	return strndup(s->field->raw, s->field->raw_len);
}

static char *type_text(const struct subject *s)
{
	const struct kv_field *f = kv_version_field(s->version, s->field->raw, s->field->raw_len);

	return strdup(kv_type_name(f ? f->type : s->field->type));
}

static char *created_text(const struct subject *s)
{
	struct timespec at = clock_timespec(s->version->created);
	char day[40];
	struct tm tm;
	char *text;

	gmtime_r(&at.tv_sec, &tm);
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	return asprintf(&text, "%s.%09ldZ", day, at.tv_nsec) < 0 ? NULL : text;
}

static const struct attribute {
	const char *name;
	bool of_field;	/* of fields alone */
	bool of_secret; /* where there is a version */
	char *(*text)(const struct subject *s);
} attributes[] = {
	{"user.vault.path", false, false, path_text},
	{"user.vault.field", true, false, field_text},
	{"user.vault.version", false, true, version_text},
	{"user.vault.created_time", false, true, created_text},
	{"user.vault.type", true, false, type_text},
};

/* Whom it is asked of. 0 with a version of the caller's, where there is one. */
static int subject_locked(struct tree *t, struct node *n, const struct ask *ask, struct subject *s,
			  struct err *err)
{
	uint64_t ttl;

	*s = (struct subject){.t = t};
	if (n->gone)
		return -ENODATA;
	if (node_is_field(n)) {
		s->field = field_of(n);
		s->dir = field_dir(s->field);
	} else if (node_is_dir(n)) {
		s->dir = dir_of(n);
	} else {
		return -ENODATA;
	}
	return dir_version_locked(t, s->dir, ask, &s->version, &ttl, err);
}

static bool applies(const struct attribute *a, const struct subject *s)
{
	if (a->of_field && !s->field)
		return false;
	if (a->of_secret && s->t->config.kv->ops->flat)
		return false;
	return !a->of_secret || s->version->number > 0;
}

int tree_getxattr(struct tree *t, struct node *node, const char *name, const struct ask *ask,
		  char **text, struct err *err)
{
	LOCK_SCOPE(&t->lock);
	const struct attribute *a = NULL;
	struct subject s;
	int r;

	if (strncmp(name, "user.", 5) != 0)
		return -EOPNOTSUPP; /* and not ENODATA: ls then stops asking */
	for (size_t i = 0; i < ARRAY_SIZE(attributes); i++)
		if (!strcmp(attributes[i].name, name))
			a = &attributes[i];
	if (!a)
		return -ENODATA;
	if (a->of_secret && t->config.kv->ops->flat)
		return -EOPNOTSUPP; /* what number and time it has is made up */
	r = subject_locked(t, node, ask, &s, err);
	if (r == 0) {
		*text = applies(a, &s) ? a->text(&s) : NULL;
		r = *text ? 0 : applies(a, &s) ? -ENOMEM : -ENODATA;
	}
	object_put(s.version);
	return r;
}

int tree_listxattr(struct tree *t, struct node *node, const struct ask *ask, char **names,
		   size_t *len, struct err *err)
{
	LOCK_SCOPE(&t->lock);
	struct subject s;
	size_t room = 0;
	int r = subject_locked(t, node, ask, &s, err);

	*names = NULL;
	*len = 0;
	if (r == -ENODATA)
		r = 0;
	else if (r == 0) {
		for (size_t i = 0; i < ARRAY_SIZE(attributes); i++)
			room += strlen(attributes[i].name) + 1;
		*names = malloc(room);
		for (size_t i = 0; *names && i < ARRAY_SIZE(attributes); i++) {
			if (!applies(&attributes[i], &s))
				continue;
			strcpy(*names + *len, attributes[i].name);
			*len += strlen(attributes[i].name) + 1;
		}
		r = *names ? 0 : -ENOMEM;
	}
	object_put(s.version);
	return r;
}
