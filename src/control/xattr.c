// SPDX-License-Identifier: Apache-2.0
/* Attributes that can be read. The names are in a table; outside "user." there is nothing. */

#include "control/xattr.h"

#include "tree/control_dir.h"
#include "tree/field.h"
#include "control/history.h"
#include "tree/layered.h"
#include "tree/settings.h"
#include "tree/dir_traits.h"

#include "base/clock.h"
#include "vault/reply.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct subject {
	struct tree *t;
	const struct ask *ask;
	struct dir *dir;
	const char *raw; /* of a field, `raw_len` bytes; NULL: the directory itself */
	size_t raw_len;
	enum kv_type type; /* of a field that the version does not have yet */
	bool past;	   /* an old version is meant */
	struct kv_version *version;
	struct cache_note note;	  /* of the latest version */
	enum layer_origin origin; /* of a field that is not the server's */
	struct kv_field layered;  /* that one */
};

static char *version_text(const struct subject *s)
{
	char *text;

	return asprintf(&text, "%" PRId64, s->version->number) < 0 ? NULL : text;
}

static char *path_text(const struct subject *s)
{
	char *text;

	const char *label = s->t->config.label, *path = s->dir->path;
	const char *slash = (*label && *path) || (!*label && !*path) ? "/" : "";

	return asprintf(&text, "%s%s%s", label, slash, path) < 0 ? NULL : text;
}

static char *field_text(const struct subject *s)
{
	return strndup(s->raw, s->raw_len);
}

static char *type_text(const struct subject *s)
{
	const struct kv_field *f =
		s->origin ? &s->layered : kv_version_field(s->version, s->raw, s->raw_len);

	return strdup(kv_type_name(f ? f->type : s->type));
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

static char *state_text(const struct subject *s)
{
	switch (s->version->state) {
	case KV_DELETED:
		return strdup("deleted");
	case KV_DESTROYED:
		return strdup("destroyed");
	default:
		return strdup("live");
	}
}

/* Whether it was asked for just now. */
static char *source_text(const struct subject *s)
{
	if (s->origin)
		return strdup(s->origin == LAYER_ENV ? "env" : "default");
	if (s->note.recalled)
		return strdup("offline");
	if (s->note.fetched < s->ask->asked)
		return strdup("cache");
	return strdup(s->t->config.kv->ops->local ? "local" : "server");
}

static char *age_text(const struct subject *s)
{
	char *text;

	return asprintf(&text, "%" PRIu64, s->note.age / NS_PER_SEC) < 0 ? NULL : text;
}

enum {
	OF_FIELD = 1,  /* of fields alone */
	OF_SECRET = 2, /* where there is a version */
	OF_LATEST = 4, /* not of old versions */
};

static const struct attribute {
	const char *name;
	unsigned of;
	char *(*text)(const struct subject *s);
} attributes[] = {
	{"user.vault.path", 0, path_text},
	{"user.vault.field", OF_FIELD, field_text},
	{"user.vault.version", OF_SECRET, version_text},
	{"user.vault.created_time", OF_SECRET, created_text},
	{"user.vault.state", OF_SECRET, state_text},
	{"user.vault.type", OF_FIELD, type_text},
	{"user.vault.source", OF_SECRET | OF_LATEST, source_text},
	{"user.vault.age", OF_SECRET | OF_LATEST, age_text},
};

/* Of which layer a field is; then the server need not have answered. */
static int origin_locked(struct tree *t, struct subject *s, const struct field *f, int r)
{
	LOCK_HELD(&t->lock);
	bool there = f && r == 0 && kv_version_field(s->version, s->raw, s->raw_len);

	if (!f || r == PARKED)
		return r;
	s->origin = layered_field(t, f, r == 0 && !there ? -ENOENT : r, &s->layered);
	if (!s->origin || r == 0)
		return r;
	s->version = kv_version_empty(KV_ABSENT, 0);
	return s->version ? 0 : -ENOMEM;
}

static int latest_locked(struct tree *t, struct subject *s, const struct field *f, struct err *err)
{
	LOCK_HELD(&t->lock);
	_cleanup_object_ struct object *o = NULL;
	struct ask memory = {.asked = s->ask->asked};
	uint64_t ttl;
	int r = dir_version_locked(t, s->dir, s->ask, &s->version, &ttl, err);

	if (r == 0)
		cache_get(t->config.cache, TREE_DATA, s->dir->path, &memory, &o, &s->note, NULL);
	return origin_locked(t, s, f, r);
}

/* Finds the secret or field that the attribute is of. 0 with a version of the caller's, if there is
 * one. */
static int subject_locked(struct tree *t, struct node *n, const struct ask *ask, struct subject *s,
			  struct err *err)
{
	LOCK_HELD(&t->lock);

	*s = (struct subject){.t = t, .ask = ask};
	if (n->gone)
		return -ENODATA;
	if (node_is_past(n)) {
		s->past = true;
		s->raw = past_of(n)->raw;
		s->raw_len = past_of(n)->raw_len;
		s->dir = control_owner(n);
		return history_get_locked(t, s->dir, past_of(n)->number, s->raw != NULL, ask,
					  &s->version, err);
	}
	if (node_is_field(n)) {
		s->raw = field_of(n)->raw;
		s->raw_len = field_of(n)->raw_len;
		s->type = field_of(n)->type;
		s->dir = field_dir(field_of(n));
	} else if (node_is_dir(n)) {
		s->dir = dir_of(n);
	} else {
		return -ENODATA;
	}
	return latest_locked(t, s, node_is_field(n) ? field_of(n) : NULL, err);
}

static bool applies(const struct attribute *a, const struct subject *s)
{
	if ((a->of & OF_FIELD) && !s->raw)
		return false;
	if ((a->of & OF_LATEST) && s->past)
		return false;
	if (s->origin)
		return !(a->of & OF_SECRET) || a->text == source_text;
	if ((a->of & OF_SECRET) && (dir_traits(s->t, s->dir) & KV_FLAT))
		return false;
	return !(a->of & OF_SECRET) || s->version->number > 0;
}

/* Settings are those of the secret, by whatever file or directory of its they are asked for. */
static int setting_locked(struct tree *t, struct node *n, const char *name, const struct ask *ask,
			  char **text, struct err *err)
{
	LOCK_HELD(&t->lock);

	if (n->gone || !(node_is_dir(n) || node_is_field(n)))
		return -ENODATA;
	return settings_text_locked(t, node_is_dir(n) ? dir_of(n) : field_dir(field_of(n)), name,
				    ask, text, err);
}

static int get_locked(struct tree *t, struct node *node, const char *name, const struct ask *ask,
		      char **text, struct err *err)
{
	LOCK_HELD(&t->lock);
	const struct attribute *a = NULL;
	struct dir *d;
	struct subject s;
	int r;

	if (strncmp(name, "user.", 5) != 0)
		return -EOPNOTSUPP; /* and not ENODATA: ls then stops asking */
	for (size_t i = 0; i < ARRAY_SIZE(attributes); i++)
		if (!strcmp(attributes[i].name, name))
			a = &attributes[i];
	if (!a)
		return setting_locked(t, node, name, ask, text, err);
	d = node_is_dir(node)	  ? dir_of(node)
	    : node_is_field(node) ? field_dir(field_of(node))
				  : NULL;
	if ((a->of & OF_SECRET) && d && (dir_traits(t, d) & KV_FLAT) &&
	    !(t->config.layers && a->text == source_text))
		return -EOPNOTSUPP; /* what number and time it has is made up */
	r = subject_locked(t, node, ask, &s, err);
	if (r == 0) {
		*text = applies(a, &s) ? a->text(&s) : NULL;
		r = *text ? 0 : applies(a, &s) ? -ENOMEM : -ENODATA;
	}
	object_put(s.version);
	return r;
}

int tree_getxattr(struct tree *t, struct node *node, const char *name, const struct ask *ask,
		  char **text, struct err *err)
{
	LOCK_SCOPE(&t->lock);
	struct node *now;
	int r = field_stand_in_locked(t, node, ask, &now);

	if (r != 0)
		return r;
	r = get_locked(t, now, name, ask, text, err);
	node_unuse_locked(t, now);
	return r;
}

static int list_locked(struct tree *t, struct node *node, const struct ask *ask, char **names,
		       size_t *len, struct err *err)
{
	LOCK_HELD(&t->lock);
	_cleanup_buf_ struct buf list = {0};
	struct subject s;
	int r = subject_locked(t, node, ask, &s, err);

	*names = NULL;
	*len = 0;
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(attributes); i++)
		if (applies(&attributes[i], &s))
			buf_add(&list, attributes[i].name, strlen(attributes[i].name) + 1);
	/* On the directory alone: a copy of a field is not to bring them along. */
	if (r == 0 && node_is_dir(node) && s.version->state != KV_ABSENT)
		r = settings_list_locked(t, s.dir, ask, &list);
	object_put(s.version);
	if (r == -ENODATA || (r == 0 && !list.len))
		return 0;
	if (r == 0) {
		*names = malloc(list.len);
		r = *names && buf_status(&list) == 0 ? 0 : -ENOMEM;
	}
	if (r == 0) {
		memcpy(*names, list.data, list.len);
		*len = list.len;
	}
	return r;
}

int tree_listxattr(struct tree *t, struct node *node, const struct ask *ask, char **names,
		   size_t *len, struct err *err)
{
	LOCK_SCOPE(&t->lock);
	struct node *now;
	int r = field_stand_in_locked(t, node, ask, &now);

	if (r != 0)
		return r;
	r = list_locked(t, now, ask, names, len, err);
	node_unuse_locked(t, now);
	return r;
}
