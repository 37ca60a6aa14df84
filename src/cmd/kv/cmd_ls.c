// SPDX-License-Identifier: Apache-2.0
/* vaultfs ls: what is below a path, and what the latest version of each secret there is; or which engines
 * there are. */

#include "cmd/kv/kv_commands.h"

#include "cli/help.h"
#include "cli/print.h"
#include "remote/remote.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 64

enum { RECURSIVE, LONG, FORMAT };

static const struct flag flags[] = {
	{'R', "recursive", NULL, "all that is below, as paths"},
	{'l', "long", NULL, "the number, time and state of each secret's latest version"},
	{0, "format", "plain|json|ref", "how to print it; ref: as vault://PATH, for resolve"},
	{0},
};

struct listing {
	struct remote *r;
	cJSON *names; /* or, where it is long, objects */
	bool recursive, is_long, refs;
	bool of_fields; /* the names are those of fields of `top` */
	char *top;	/* what the names are below, "" for all engines */
	struct table table;
	struct progress progress;
};

static const char *state_of(const struct kv_child *child)
{
	if (child->state == KV_DESTROYED)
		return "destroyed";
	if (child->state == KV_DELETED)
		return "deleted";
	if (child->state == KV_ABSENT)
		return "empty";
	return child->deletion ? "expiring" : "live";
}

/* `child`: NULL where nothing is known but the name. */
static int add_long(struct listing *l, const char *name, const struct kv_child *child)
{
	char time[PRINT_TIME_MAX] = "", number[24] = "";
	const char *state = child ? state_of(child) : "";
	cJSON *row = cJSON_CreateObject();

	if (child) {
		print_time(child->created, time);
		snprintf(number, sizeof(number), "%" PRId64, child->number);
	}
	table_add_str(&l->table, number);
	table_add_str(&l->table, time);
	table_add_str(&l->table, state);
	table_add_str(&l->table, name);
	if (!cJSON_AddItemToArray(l->names, row) ||
	    json_add(row, "name", 4, json_new_string(name, strlen(name))) < 0)
		return -ENOMEM;
	if (child && (!cJSON_AddRawToObject(row, "version", number) ||
		      json_add(row, "created_time", 12, json_new_string(time, strlen(time))) < 0 ||
		      json_add(row, "state", 5, json_new_string(state, strlen(state))) < 0))
		return -ENOMEM;
	return 0;
}

static int add_name(struct listing *l, const char *below, const char *name, const char *slash,
		    const struct kv_child *child)
{
	_cleanup_free_ char *whole = NULL;
	cJSON *item;

	if (asprintf(&whole, "%s%s%s", below, name, slash) < 0)
		return -ENOMEM;
	if (l->is_long)
		return add_long(l, whole, child);
	item = json_new_string(whole, strlen(whole));
	return item && cJSON_AddItemToArray(l->names, item) ? 0 : -ENOMEM;
}

/* All of a folder at once, where the server can. NULL for what has to be asked for one by one. */
static int ask_children(struct listing *l, const char *path, struct kv_children **out,
			struct err *err)
{
	struct kv *kv = l->r->kv;
	int s = -EOPNOTSUPP;

	if (l->is_long && kv->ops->children)
		s = kv->ops->children(kv, path, remote_limit(l->r), out, err);
	return s == -EOPNOTSUPP || s == -EACCES ? 0 : s;
}

/* *known: whether there is something to tell. */
static int ask_child(struct listing *l, const char *path, const char *name, struct kv_child *child,
		     bool *known, struct err *err)
{
	_cleanup_free_ char *secret = NULL;
	_cleanup_json_ cJSON *metadata = NULL;
	struct kv *kv = l->r->kv;
	int s;

	if (asprintf(&secret, "%s%s%s", path, *path ? "/" : "", name) < 0)
		return -ENOMEM;
	s = kv->ops->metadata(kv, secret, remote_limit(l->r), &metadata, err);
	*known = s == 0;
	if (s == 0)
		return kv_child_describe(child, metadata);
	/* It may be gone by now, or refused, or there are no versions. */
	return s == -ENOENT || s == -EACCES || s == -EOPNOTSUPP ? 0 : s;
}

static int add_secret(struct listing *l, const char *path, const char *below, const char *name,
		      const struct kv_children *children, struct err *err)
{
	const struct kv_child *told = children ? kv_children_find(children, name) : NULL;
	struct kv_child child = {0};
	bool known = false;
	int s = 0;

	if (l->is_long && !(told && (told->kinds & KV_ENTRY_SECRET))) {
		s = ask_child(l, path, name, &child, &known, err);
		told = known ? &child : NULL;
	}
	return s < 0 ? s : add_name(l, below, name, "", told);
}

/* `below` is what names begin with: "", "a/b/". */
static int walk(struct listing *l, const char *path, const char *below, unsigned depth,
		struct err *err);

static int walk_into(struct listing *l, const char *path, const char *below, const char *name,
		     unsigned depth, struct err *err)
{
	_cleanup_free_ char *folder = NULL, *inside = NULL;
	int s;

	if (asprintf(&folder, "%s%s%s", path, *path ? "/" : "", name) < 0 ||
	    asprintf(&inside, "%s%s/", below, name) < 0)
		return err_set(err, ENOMEM, "no memory");
	if (depth == DEPTH_MAX)
		return err_set(err, ELOOP, "%s is too deep", folder);
	s = walk(l, folder, inside, depth + 1, err);
	/* A folder that may not be listed is still named. */
	return s == -EACCES ? add_name(l, below, name, "/", NULL) : s;
}

static int walk(struct listing *l, const char *path, const char *below, unsigned depth,
		struct err *err)
{
	struct kv *kv = l->r->kv;
	_cleanup_object_ struct kv_list *list = NULL;
	_cleanup_object_ struct kv_children *children = NULL;
	int s = kv->ops->list(kv, path, remote_limit(l->r), &list, err);

	progress_step(&l->progress, 0);
	if (s == 0 && list->count)
		s = ask_children(l, path, &children, err);
	for (size_t i = 0; s == 0 && i < list->count; i++) {
		const struct kv_entry *e = &list->entries[i];

		if (e->kinds & KV_ENTRY_SECRET)
			s = add_secret(l, path, below, e->name, children, err);
		if (s == 0 && (e->kinds & KV_ENTRY_FOLDER))
			s = l->recursive ? walk_into(l, path, below, e->name, depth, err)
					 : add_name(l, below, e->name, "/", NULL);
	}
	return s;
}

static bool is_called(const struct kv_field *f, const char *name)
{
	return f->name_len == strlen(name) && !memcmp(f->name, name, f->name_len);
}

/* A secret that is no folder has its fields below it, as in a mount. */
static int list_fields(struct listing *l, const struct place *at, struct err *err)
{
	_cleanup_object_ struct kv_version *v = NULL;
	int s = remote_read(l->r, at, 0, &v, err);

	if (s == -ENOENT && (!v || v->state == KV_ABSENT))
		return err_set(err, ENOENT, "there is nothing at %s", at->full);
	if (s == 0 && at->field && !kv_version_field(v, at->field, strlen(at->field)))
		return err_set(err, ENOENT, "%s has no field %s", at->full, at->field);
	for (size_t i = 0; s == 0 && i < v->count; i++) {
		cJSON *item;

		if (at->field && !is_called(&v->fields[i], at->field))
			continue;
		item = json_new_string(v->fields[i].name, v->fields[i].name_len);

		if (!item || !cJSON_AddItemToArray(l->names, item))
			s = -ENOMEM;
	}
	return s;
}

static int add_engine(void *arg, const struct mount_info *engine)
{
	return engine->version ? add_name(arg, "", engine->path, "/", NULL) : 0;
}

static int collect_engine(void *arg, const struct mount_info *engine)
{
	cJSON *path = engine->version ? json_new_string(engine->path, strlen(engine->path)) : NULL;

	return !engine->version || (path && cJSON_AddItemToArray(arg, path)) ? 0 : -ENOMEM;
}

/* All that is below each of the engines. */
static int walk_engines(struct listing *l, struct err *err)
{
	_cleanup_json_ cJSON *engines = cJSON_CreateArray();
	struct remote *r = l->r;
	int s = engines ? mounts_list(r->network.vault, remote_limit(r), collect_engine, engines,
				      err)
			: -ENOMEM;

	for (const cJSON *e = s == 0 ? engines->child : NULL; s == 0 && e; e = e->next) {
		_cleanup_free_ char *inside = NULL;

		if (asprintf(&inside, "%s/", e->valuestring) < 0)
			return err_set(err, ENOMEM, "no memory");
		s = remote_find_engine(r, e->valuestring, err);
		if (s == 0)
			s = walk(l, "", inside, 0, err);
		if (s == -EACCES)
			s = add_name(l, "", inside, "", NULL);
		kv_free(steal(r->kv));
	}
	return s == -ENOMEM ? err_set(err, ENOMEM, "no memory") : s;
}

/* Those for keys and values that the token may see. */
static int list_engines(struct listing *l, struct err *err)
{
	struct remote *r = l->r;
	int s = remote_reach(r, err);

	if (s < 0)
		return s;
	return l->recursive ? walk_engines(l, err)
			    : mounts_list(r->network.vault, remote_limit(r), add_engine, l, err);
}

static int list_place(struct listing *l, const char *word, struct err *err)
{
	_cleanup_place_ struct place at = {0};
	char last = word[strlen(word) - !!*word];
	bool folder = last == '/' && *word != '/' && *word != '.';
	int s = remote_find(l->r, word, &at, err);

	if (s == 0) {
		free(l->top);
		l->top = strdup(at.full);
		s = l->top ? 0 : err_set(err, ENOMEM, "no memory");
	}
	if (s == 0 && last != '#' && !at.field)
		s = walk(l, at.path, "", 0, err);
	if (s < 0 || l->names->child || !*at.path)
		return s;
	if (folder)
		return err_set(err, ENOENT, "there is no folder %s", at.full);
	l->is_long = false;
	l->of_fields = true;
	return list_fields(l, &at, err);
}

static int print_names(const cJSON *names)
{
	static const char *const head[] = {"", NULL};
	_cleanup_table_ struct table t = {.head = head};

	for (const cJSON *n = names->child; n; n = n->next)
		table_add_str(&t, n->valuestring);
	return table_print(&t, true);
}

/* Folders, which are refused or not looked into, end with a slash as elsewhere. */
static int print_references(const struct listing *l)
{
	_cleanup_buf_ struct buf text = {0};

	for (const cJSON *n = l->names->child; n; n = n->next) {
		_cleanup_free_ char *path = NULL;

		if (l->of_fields) {
			place_print_reference(l->top, n->valuestring, &text);
		} else if (asprintf(&path, "%s%s%s", l->top, *l->top ? "/" : "", n->valuestring) <
			   0) {
			return command_fail(EXIT_LOCAL, "no memory");
		} else {
			place_print_reference(path, NULL, &text);
		}
		buf_add_str(&text, "\n");
	}
	return print_buf(&text);
}

static int print_listing(struct listing *l, enum format format)
{
	if (l->refs)
		return print_references(l);
	if (format == FORMAT_JSON)
		return print_json(l->names);
	return l->is_long ? table_print(&l->table, format == FORMAT_PLAIN) : print_names(l->names);
}

static int ls(struct remote *r, struct err *err)
{
	static const char *const head[] = {"VERSION", "CREATED", "STATE", "NAME", NULL};
	const char *wanted = r->flags.value[FORMAT];
	bool refs = wanted && !strcmp(wanted, "ref");
	int format = format_choose(refs ? "plain" : wanted, FORMAT_PLAIN), s;
	_cleanup_json_ cJSON *names = cJSON_CreateArray();
	struct listing l = {.r = r,
			    .names = names,
			    .recursive = r->flags.value[RECURSIVE] != NULL,
			    .is_long = r->flags.value[LONG] != NULL,
			    .refs = refs,
			    .top = strdup(""),
			    .table = {.head = head},
			    .progress = {.what = "folders"}};
	const char *word = r->flags.words[0];

	if (format < 0 || (refs && l.is_long)) {
		free(l.top);
		return format < 0
			       ? remote_no_format(r, FORMAT, err)
			       : remote_wrong(r, err, "--format ref has names alone, without -l");
	}
	if (!word || (*word && !word[strspn(word, "/")]))
		s = list_engines(&l, err);
	else
		s = list_place(&l, word, err);
	progress_end(&l.progress);
	if (s == 0)
		s = print_listing(&l, (enum format)format);
	table_fini(&l.table);
	free(l.top);
	return s;
}

static int ls_run(int argc, char **argv)
{
	return remote_run(&command_ls, 0, 1, argc, argv, ls);
}

const struct command command_ls = {
	.name = "ls",
	.usage = "[-R] [-l] [OPTION...] [PATH]",
	.summary = "Lists what is below a path, or the engines",
	.help = help_remote,
	.flags = flags,
	.brief = true,
	.all_engines = true,
	.run = ls_run,
};
