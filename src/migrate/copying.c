// SPDX-License-Identifier: Apache-2.0
/* Copies secrets unchanged: the latest version of each, as its JSON document, and the metadata that
 * people and we have given it.
 *
 *      list    every secret below the origin, before anything is written
 *      judge   the secret at its place now
 *      show    a table, in which values are hidden
 *      write   metadata; then one version, by check-and-set
 *
 * Secrets copied before are recognized by their content: a run may be interrupted anywhere and
 * repeated. */

#include "migrate/copying.h"

#include "base/visible.h"
#include "migrate/origin.h"
#include "cli/print.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TRIES  5 /* when others write at the same time */
#define HIDDEN "********"
#define CUSTOM "custom_metadata"

enum action {
	ACTION_CREATE,
	ACTION_SAME,
	ACTION_DESCRIBE, /* the values are there, not all of the metadata */
	ACTION_DIFFERS,
	ACTION_REPLACE,
	ACTION_GONE, /* the latest version is deleted */
};

struct item {
	char *path; /* below the origin, and below the target */
	size_t fields;
	enum action action;
};

struct copy {
	const struct copying_options *options;
	struct remote *r;
	struct destination target;
	struct origin origin;
	struct item *items; /* by path */
	size_t count, room;
	char **folders; /* still to be listed; the last one is next */
	size_t folder_count, folder_room;
	size_t done; /* items that were written, or were there already */
	size_t written;
};

/* One secret at both ends. */
struct pair {
	struct kv_version *from, *now;
	struct spot at; /* its place at the target */
	char *source, *full;
	cJSON *patch;  /* for metadata that `now` lacks or has with another value */
	bool same;     /* values and types are equal */
	bool conflict; /* some metadata would be replaced */
};

static void pair_fini(struct pair *p)
{
	object_put(p->from);
	object_put(p->now);
	free(p->source);
	free(p->full);
	cJSON_Delete(p->patch);
}
#define _cleanup_pair_ _cleanup_(pair_fini)

static int no_memory(struct err *err)
{
	return err_set(err, ENOMEM, "no memory");
}

/* One more place at the end of an array. */
static int make_room(void **array, size_t count, size_t *room, size_t size)
{
	size_t more = *room ? 2 * *room : 64;
	void *grown;

	if (count < *room)
		return 0;
	grown = reallocarray(*array, more, size);
	if (!grown)
		return -ENOMEM;
	*array = grown;
	*room = more;
	return 0;
}

/* Takes `path`. */
static int add_item(struct copy *c, char *path)
{
	if (!path || make_room((void **)&c->items, c->count, &c->room, sizeof(*c->items)) < 0) {
		free(path);
		return -ENOMEM;
	}
	c->items[c->count++] = (struct item){.path = path};
	return 0;
}

static int add_folder(struct copy *c, char *path)
{
	if (!path || make_room((void **)&c->folders, c->folder_count, &c->folder_room,
			       sizeof(*c->folders)) < 0) {
		free(path);
		return -ENOMEM;
	}
	c->folders[c->folder_count++] = path;
	return 0;
}

static char *join(const char *folder, const char *name)
{
	char *path;

	if (asprintf(&path, "%s%s%s", folder, *folder ? "/" : "", name) < 0)
		return NULL;
	return path;
}

static int list_folder(struct copy *c, const char *folder, struct err *err)
{
	_cleanup_object_ struct kv_list *list = NULL;
	_cleanup_free_ char *path = origin_path(&c->origin, folder);
	struct kv *kv = c->origin.engine.kv;
	int s;

	if (!path)
		return no_memory(err);
	s = kv->ops->list(kv, path, remote_limit(c->origin.asked), &list, err);
	if (s < 0)
		return err_prefix(err, "cannot list %s%s%s", c->origin.top, *folder ? "/" : "",
				  folder);
	for (size_t i = 0; s == 0 && i < list->count; i++) {
		const struct kv_entry *e = &list->entries[i];

		if (e->kinds & KV_ENTRY_SECRET)
			s = add_item(c, join(folder, e->name));
		if (s == 0 && (e->kinds & KV_ENTRY_FOLDER))
			s = add_folder(c, join(folder, e->name));
	}
	return s < 0 ? no_memory(err) : 0;
}

/* The given path may itself be a secret. */
static int add_top(struct copy *c, struct err *err)
{
	_cleanup_object_ struct kv_version *v = NULL;
	struct kv *kv = c->origin.engine.kv;
	const char *path = c->origin.engine.inside;
	int s;

	if (!*path || kv_traits(kv, path) & (KV_ROOT | KV_OUTSIDE))
		return 0;
	s = kv->ops->read(kv, path, remote_limit(c->origin.asked), &v, err);
	if (s == -EACCES)
		return 0; /* a token may read the secrets below without reading this one */
	if (s == 0 && v->state != KV_ABSENT && add_item(c, strdup("")) < 0)
		return no_memory(err);
	return s;
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct item *)a)->path, ((const struct item *)b)->path);
}

static int list_all(struct copy *c, struct err *err)
{
	_cleanup_progress_ struct progress progress = {.what = "folders listed"};
	int s = add_top(c, err);

	if (s == 0 && add_folder(c, strdup("")) < 0)
		s = no_memory(err);
	while (s == 0 && c->folder_count) {
		_cleanup_free_ char *folder = c->folders[--c->folder_count];

		s = list_folder(c, folder, err);
		progress_step(&progress, 0);
	}
	if (s == 0 && !c->count)
		return remote_wrong(c->r, err, "there are no secrets below %s", c->origin.top);
	if (s == 0)
		qsort(c->items, c->count, sizeof(*c->items), compare);
	return s;
}

/* NULL if there is none, or the engine keeps none. */
static int read_metadata(struct kv *kv, const char *path, struct limit limit, cJSON **out,
			 struct err *err)
{
	int s;

	if (!kv->ops->change_metadata || kv_traits(kv, path) & KV_FLAT)
		return 0;
	s = kv->ops->metadata(kv, path, limit, out, err);
	return s == -ENOENT ? 0 : s;
}

static int add_copy(cJSON *to, const cJSON *member)
{
	cJSON *new = cJSON_Duplicate(member, true);

	if (new &&cJSON_AddItemToObject(to, member->string, new))
		return 0;
	cJSON_Delete(new);
	return -ENOMEM;
}

/* Adds the owner's settings, for a secret that has no metadata at the target. */
static int add_settings(cJSON *patch, const cJSON *from)
{
	const char *after = json_get_str(from, "delete_version_after");
	int s = 0;

	if (json_get_int(from, "max_versions", 0) > 0)
		s = add_copy(patch, json_get(from, "max_versions"));
	if (s == 0 && json_get_bool(from, "cas_required"))
		s = add_copy(patch, json_get(from, "cas_required"));
	if (s == 0 && after && strcmp(after, "0s") != 0)
		s = add_copy(patch, json_get(from, "delete_version_after"));
	return s;
}

/* Marks of binary values are written with the values. */
static bool is_mark(const cJSON *member)
{
	return strncmp(member->string, KV_MARK_PREFIX, strlen(KV_MARK_PREFIX)) == 0;
}

static int make_patch(struct pair *p, const cJSON *from, const cJSON *now)
{
	const cJSON *there = json_get(now, CUSTOM), *member;
	cJSON *custom = cJSON_CreateObject();
	int s = custom ? 0 : -ENOMEM;

	cJSON_ArrayForEach(member, json_get(from, CUSTOM))
	{
		const cJSON *old = cJSON_GetObjectItemCaseSensitive(there, member->string);

		if (s < 0 || is_mark(member) || (old && cJSON_Compare(old, member, true)))
			continue;
		p->conflict |= old != NULL;
		s = add_copy(custom, member);
	}
	p->patch = cJSON_CreateObject();
	if (!p->patch || s < 0 ||
	    (custom->child && !cJSON_AddItemToObject(p->patch, CUSTOM, custom)))
		s = -ENOMEM;
	else if (custom->child)
		custom = NULL; /* it is the patch's */
	cJSON_Delete(custom);
	return s == 0 && !now ? add_settings(p->patch, from) : s;
}

/* Servers keep numbers as doubles, and print them in their own way. `rounded`: numbers that become
 * equal there count as equal. */
static bool same_number(const char *a, const char *b, bool rounded)
{
	return !strcmp(a, b) || (rounded && strtod(a, NULL) == strtod(b, NULL));
}

/* Compares two sorted trees. */
static bool same_tree(const cJSON *a, const cJSON *b, bool rounded)
{
	const cJSON *x = a->child, *y = b->child;

	if (json_is_number(a) && json_is_number(b))
		return same_number(a->valuestring, b->valuestring, rounded);
	if (a->type != b->type ||
	    (cJSON_IsString(a) && strcmp(a->valuestring, b->valuestring) != 0))
		return false;
	for (; x && y; x = x->next, y = y->next)
		if ((cJSON_IsObject(a) && strcmp(x->string, y->string) != 0) ||
		    !same_tree(x, y, rounded))
			return false;
	return !x && !y;
}

/* Servers order the members of an object in their own way. */
static bool same_json(const struct kv_field *a, const struct kv_field *b, bool rounded)
{
	_cleanup_json_ cJSON *x = NULL, *y = NULL;

	if (json_parse(a->text, a->len, &x, NULL) < 0 || json_parse(b->text, b->len, &y, NULL) < 0)
		return false;
	json_sort(x);
	json_sort(y);
	return same_tree(x, y, rounded);
}

static bool same_field(const struct kv_field *a, const struct kv_field *b, bool rounded)
{
	if (!b || a->type != b->type || a->binary != b->binary)
		return false;
	if (kv_field_equal(a, b))
		return true;
	if (a->type == KV_NUMBER)
		return same_number(a->text, b->text, rounded);
	return (a->type == KV_OBJECT || a->type == KV_ARRAY) && same_json(a, b, rounded);
}

static bool same_content(const struct kv_version *a, const struct kv_version *b, bool rounded)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++) {
		const struct kv_field *f = &a->fields[i];

		if (!same_field(f, kv_version_field(b, f->name, f->name_len), rounded))
			return false;
	}
	return true;
}

static int look(struct copy *c, const char *path, struct pair *p, struct err *err)
{
	_cleanup_json_ cJSON *from = NULL, *now = NULL;
	struct limit limit = remote_limit(c->origin.asked);
	struct kv *kv = c->origin.engine.kv;
	int s;

	p->source = origin_path(&c->origin, path);
	if (!p->source)
		return no_memory(err);
	s = kv->ops->read(kv, p->source, limit, &p->from, err);
	if (s == 0 && p->from->state != KV_LIVE)
		return 0;
	if (s == 0)
		s = read_metadata(kv, p->source, limit, &from, err);
	if (s < 0)
		return err_prefix(err, "%s%s%s", c->origin.top, *path ? "/" : "", path);
	s = destination_read(&c->target, path, &p->full, &p->at, &p->now, err);
	if (s < 0)
		return s;
	if (p->at.kv)
		s = read_metadata(p->at.kv, p->at.path, remote_limit(c->r), &now, err);
	if (s < 0) {
		err_prefix(err, "%s", p->full);
		return s;
	}
	p->same = p->now->state == KV_LIVE &&
		  same_content(p->from, p->now, !destination_is_local(&c->target));
	if (p->at.kv && kv_traits(p->at.kv, p->at.path) & KV_FLAT)
		return 0;
	return make_patch(p, from, now) < 0 ? no_memory(err) : 0;
}

static enum action judge(const struct copy *c, const struct pair *p)
{
	bool live = p->from->state == KV_LIVE && p->now->state == KV_LIVE;
	bool replaces = p->conflict || (live && !p->same);

	if (p->from->state != KV_LIVE)
		return ACTION_GONE;
	if (replaces)
		return c->options->overwrite ? ACTION_REPLACE : ACTION_DIFFERS;
	if (!live)
		return ACTION_CREATE;
	return p->patch && p->patch->child ? ACTION_DESCRIBE : ACTION_SAME;
}

/* The change that makes the target's secret equal to the origin's. The caller frees `fields`. */
static int change_of(const struct pair *p, struct kv_change **fields, struct secret_change *c,
		     struct err *err)
{
	*c = (struct secret_change){.base = p->now, .whole = true, .cas = KV_ANY};
	c->fields = *fields = change_between(NULL, p->from, &c->count);
	return *fields ? 0 : no_memory(err);
}

/* Finds values that cannot be stored before anything is written. */
static int check_writable(struct copy *c, const struct pair *p, enum action action, struct err *err)
{
	_cleanup_free_ struct kv_change *fields = NULL;
	struct secret_change change;
	int s;

	if (!p->at.kv || (action != ACTION_CREATE && action != ACTION_REPLACE))
		return 0;
	s = change_of(p, &fields, &change, err);
	if (s == 0)
		s = destination_check(&c->target, &p->at, &change, err);
	return s < 0 ? err_prefix(err, "%s", p->full) : 0;
}

static int judge_all(struct copy *c, struct err *err)
{
	_cleanup_progress_ struct progress progress = {.what = "secrets read"};
	int s = 0;

	for (size_t i = 0; s == 0 && i < c->count; i++) {
		_cleanup_pair_ struct pair p = {0};

		s = look(c, c->items[i].path, &p, err);
		if (s < 0)
			break;
		c->items[i].action = judge(c, &p);
		c->items[i].fields = p.from->count;
		s = check_writable(c, &p, c->items[i].action, err);
		progress_step(&progress, c->count);
	}
	return s;
}

static int show(struct copy *c)
{
	static const char *const head[] = {"SECRET", "TO", "FIELDS", "VALUES", "ACTION", NULL};
	static const char *const actions[] = {
		[ACTION_CREATE] = "create",	    [ACTION_SAME] = "is there already",
		[ACTION_DESCRIBE] = "add metadata", [ACTION_DIFFERS] = "differs, stays",
		[ACTION_REPLACE] = "replace",	    [ACTION_GONE] = "is deleted, left out"};
	_cleanup_table_ struct table t = {.head = head};

	for (size_t i = 0; i < c->count; i++) {
		const struct item *item = &c->items[i];
		_cleanup_free_ char *from = join(c->origin.top, item->path);
		_cleanup_free_ char *to = join(c->target.top, item->path);
		char fields[24];

		if (!from || !to)
			return command_fail(EXIT_LOCAL, "no memory");
		snprintf(fields, sizeof(fields), "%zu", item->fields);
		table_add_str(&t, from);
		table_add_str(&t, to);
		table_add_str(&t, fields);
		table_add_str(&t, HIDDEN);
		table_add_str(&t, actions[item->action]);
	}
	return table_print(&t, !isatty(STDOUT_FILENO));
}

static int write_version(struct copy *c, const struct pair *p, struct err *err)
{
	_cleanup_free_ struct kv_change *fields = NULL;
	struct secret_change change;
	int s = change_of(p, &fields, &change, err);

	return s < 0 ? s : destination_change(&c->target, &p->at, &change, err);
}

/* Reads a secret once, and writes one version if it is missing. -EBUSY: somebody else has written
 * one meanwhile. */
static int write_once(struct copy *c, struct item *item, struct err *err)
{
	_cleanup_pair_ struct pair p = {0};
	int s = look(c, item->path, &p, err);

	if (s < 0)
		return s;
	item->action = judge(c, &p);
	if (item->action != ACTION_CREATE && item->action != ACTION_REPLACE &&
	    item->action != ACTION_DESCRIBE)
		return 0;
	if (p.patch && p.patch->child)
		s = destination_describe(&c->target, &p.at, p.patch, err);
	if (s == 0 && !p.same)
		s = write_version(c, &p, err);
	if (s < 0) {
		err_prefix(err, "%s", p.full);
		return s;
	}
	c->written++;
	return 0;
}

static int write_all(struct copy *c, struct err *err)
{
	_cleanup_progress_ struct progress progress = {.what = "secrets"};
	int s = 0;

	for (size_t i = 0; s == 0 && i < c->count; i++) {
		enum action planned = c->items[i].action;

		for (unsigned tries = 0; tries < TRIES; tries++) {
			if (planned == ACTION_SAME || planned == ACTION_DIFFERS ||
			    planned == ACTION_GONE)
				break;
			s = write_once(c, &c->items[i], err);
			if (s != -EBUSY)
				break;
		}
		c->done += s == 0;
		progress_step(&progress, c->count);
	}
	return s;
}

/* Also reports what was done before a failure. */
static int report(const struct copy *c)
{
	size_t differing = 0, gone = 0, left = c->count - c->done;

	for (size_t i = 0; i < c->done; i++) {
		differing += c->items[i].action == ACTION_DIFFERS;
		gone += c->items[i].action == ACTION_GONE;
	}
	visible_print(stdout,
		      "\n%zu secrets written; %zu there already; %zu left, since they differ%s; "
		      "%zu left out, since they are deleted",
		      c->written, c->done - c->written - differing - gone, differing,
		      differing ? " (--overwrite replaces them)" : "", gone);
	if (left)
		printf("; %zu not done", left);
	printf("\n");
	fflush(stdout);
	return differing ? EXIT_LOCAL : EXIT_OK;
}

/* Refuses to copy a tree into itself: each run would make it deeper. */
static int check_apart(struct copy *c, struct err *err)
{
	const char *from = c->origin.top, *to = c->target.top;
	bool local = c->origin.embedded.file != NULL;
	size_t len = strlen(from);

	if (local != destination_is_local(&c->target) || (!local && c->origin.asked != c->r))
		return 0;
	if (strncmp(from, to, len) != 0 || (len && to[len] && to[len] != '/'))
		return 0;
	return remote_wrong(c->r, err, "%s is in %s: it cannot be copied into itself",
			    *to ? to : "/", *from ? from : "/");
}

static int steps(struct copy *c, struct err *err)
{
	const struct copying_options *o = c->options;
	int s = destination_open(&c->target, c->r, o->prefix, !o->dry_run, err);

	if (s == 0)
		s = origin_open(&c->origin, o->from, o->conf, &c->target, err);
	if (s == 0)
		s = check_apart(c, err);
	if (s == 0)
		s = list_all(c, err);
	if (s == 0)
		s = judge_all(c, err);
	if (s == 0)
		s = show(c);
	if (s != 0 || o->dry_run)
		return s;
	s = write_all(c, err);
	if (s < 0) {
		report(c);
		return s;
	}
	return report(c);
}

int copying_run(struct remote *r, const struct copying_options *options, struct err *err)
{
	struct copy c = {.r = r, .options = options};
	int s = steps(&c, err);

	for (size_t i = 0; i < c.count; i++)
		free(c.items[i].path);
	for (size_t i = 0; i < c.folder_count; i++)
		free(c.folders[i]);
	free(c.items);
	free(c.folders);
	origin_close(&c.origin);
	destination_close(&c.target);
	return s;
}
