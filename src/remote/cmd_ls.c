// SPDX-License-Identifier: Apache-2.0
/* vaultfs ls: what is below a path. */

#include "cli/help.h"
#include "remote/print.h"
#include "remote/remote.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define DEPTH_MAX 64

enum { RECURSIVE, FORMAT };

static const struct flag flags[] = {
	{'R', "recursive", NULL, "all that is below, as paths"},
	{0, "format", "FORMAT", "plain or json"},
	{0},
};

struct listing {
	struct remote *r;
	cJSON *names;
	bool recursive;
};

static int add_name(struct listing *l, const char *below, const char *name, const char *slash)
{
	_cleanup_free_ char *whole = NULL;
	cJSON *item;

	if (asprintf(&whole, "%s%s%s", below, name, slash) < 0)
		return -ENOMEM;
	item = json_new_string(whole, strlen(whole));
	return item && cJSON_AddItemToArray(l->names, item) ? 0 : -ENOMEM;
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
	/* What is refused is named, as the folder that it is. */
	return s == -EACCES ? add_name(l, below, name, "/") : s;
}

static int walk(struct listing *l, const char *path, const char *below, unsigned depth,
		struct err *err)
{
	struct kv *kv = l->r->kv;
	_cleanup_object_ struct kv_list *list = NULL;
	int s = kv->ops->list(kv, path, remote_limit(l->r), &list, err);

	for (size_t i = 0; s == 0 && i < list->count; i++) {
		const struct kv_entry *e = &list->entries[i];

		if (e->kinds & KV_ENTRY_SECRET)
			s = add_name(l, below, e->name, "");
		if (s == 0 && (e->kinds & KV_ENTRY_FOLDER))
			s = l->recursive ? walk_into(l, path, below, e->name, depth, err)
					 : add_name(l, below, e->name, "/");
	}
	return s;
}

/* A secret that is no folder has its fields below it, as in a mount. */
static int list_fields(struct listing *l, const struct place *at, struct err *err)
{
	_cleanup_object_ struct kv_version *v = NULL;
	int s = remote_read(l->r, at, 0, &v, err);

	if (s == -ENOENT && (!v || v->state == KV_ABSENT))
		return err_set(err, ENOENT, "there is nothing at %s", at->full);
	for (size_t i = 0; s == 0 && i < v->count; i++) {
		cJSON *item = json_new_string(v->fields[i].name, v->fields[i].name_len);

		if (!item || !cJSON_AddItemToArray(l->names, item))
			s = -ENOMEM;
	}
	return s;
}

static int print_names(const cJSON *names, enum format format)
{
	static const char *const head[] = {"", NULL};
	_cleanup_table_ struct table t = {.head = head};

	if (format == FORMAT_JSON)
		return print_json(names);
	for (const cJSON *n = names->child; n; n = n->next)
		table_add_str(&t, n->valuestring);
	return table_print(&t, true);
}

static int ls(struct remote *r, struct err *err)
{
	int format = format_choose(r->flags.value[FORMAT], FORMAT_PLAIN), s;
	_cleanup_json_ cJSON *names = cJSON_CreateArray();
	struct listing l = {.r = r, .names = names, .recursive = r->flags.value[RECURSIVE] != NULL};
	_cleanup_place_ struct place at = {0};

	if (format < 0)
		return remote_wrong(r, err, "no format %s is known", r->flags.value[FORMAT]);
	s = remote_find(r, r->flags.words[0], &at, err);
	if (s == 0)
		s = walk(&l, at.path, "", 0, err);
	if (s == 0 && !names->child && *at.path)
		s = list_fields(&l, &at, err);
	return s < 0 ? s : print_names(names, (enum format)format);
}

static int ls_run(int argc, char **argv)
{
	return remote_run(&command_ls, 1, 1, argc, argv, ls);
}

const struct command command_ls = {
	.name = "ls",
	.usage = "[-R] [OPTION...] PATH",
	.summary = "Lists what is below a path",
	.help = help_remote,
	.flags = flags,
	.run = ls_run,
};
