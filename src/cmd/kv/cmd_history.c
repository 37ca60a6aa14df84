// SPDX-License-Identifier: Apache-2.0
/* vaultfs history and diff: what versions there are, and what one has that another has not. */

#include "cmd/kv/kv_commands.h"

#include "cli/help.h"
#include "cli/print.h"
#include "remote/remote.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Visits one field of two versions. A side that lacks the field is NULL. */
struct visitor {
	void (*visit)(struct visitor *v, const struct kv_field *before,
		      const struct kv_field *after);
	void *arg;
};

static int compare(const struct kv_field *a, const struct kv_field *b)
{
	size_t n = a->name_len < b->name_len ? a->name_len : b->name_len;
	int c = memcmp(a->name, b->name, n);

	return c ? c : (a->name_len > b->name_len) - (a->name_len < b->name_len);
}

/* Both are in order of their names. */
static void visit_changes(const struct kv_version *a, const struct kv_version *b, struct visitor *v)
{
	size_t i = 0, j = 0;

	while (i < a->count || j < b->count) {
		int c = i == a->count	? 1
			: j == b->count ? -1
					: compare(&a->fields[i], &b->fields[j]);

		if (c < 0)
			v->visit(v, &a->fields[i++], NULL);
		else if (c > 0)
			v->visit(v, NULL, &b->fields[j++]);
		else {
			if (!kv_field_equal(&a->fields[i], &b->fields[j]))
				v->visit(v, &a->fields[i], &b->fields[j]);
			i++;
			j++;
		}
	}
}

static char sign_of(const struct kv_field *before, const struct kv_field *after)
{
	return !before ? '+' : !after ? '-' : '~';
}

struct history {
	struct remote *r;
	const struct place *at;
	const cJSON *metadata;
	cJSON *rows;
	struct table table;
	struct kv_version *before; /* the one before, with its fields; NULL: not to be had */
	bool unreadable;	   /* the token may know of versions, and not what is in them */
	struct progress progress;
};

static void add_change(struct visitor *v, const struct kv_field *before,
		       const struct kv_field *after)
{
	const struct kv_field *f = after ? after : before;
	struct buf *to = v->arg;

	buf_printf(to, "%s%c", to->len ? " " : "", sign_of(before, after));
	buf_add(to, f->name, f->name_len);
}

/* "+new -gone ~changed"; "?" where it cannot be known. */
static void print_changes(struct history *h, const struct kv_version *now, struct buf *to)
{
	_cleanup_object_ struct kv_version *nothing = kv_version_empty(KV_ABSENT, 0);
	const struct kv_version *before = h->before ? h->before : now->number == 1 ? nothing : NULL;
	struct visitor v = {.visit = add_change, .arg = to};

	if (before)
		visit_changes(before, now, &v);
	else
		buf_add_str(to, "?");
}

static const char *state_of(const struct kv_version *v)
{
	if (v->state == KV_DESTROYED)
		return "destroyed";
	if (v->state == KV_DELETED)
		return "deleted";
	return v->deletion ? "expiring" : "live";
}

static void add_row(struct history *h, const struct kv_version *v, const struct buf *changes)
{
	cJSON *row = cJSON_CreateObject();
	const char *text = changes->data ? changes->data : "";
	char time[PRINT_TIME_MAX], number[24];

	print_time(v->created, time);
	snprintf(number, sizeof(number), "%" PRId64, v->number);
	table_add_str(&h->table, number);
	table_add_str(&h->table, time);
	table_add_str(&h->table, state_of(v));
	table_add(&h->table, text, changes->len);
	if (!cJSON_AddRawToObject(row, "version", number) ||
	    json_add(row, "created_time", 12, json_new_string(time, strlen(time))) < 0 ||
	    json_add(row, "state", 5, json_new_string(state_of(v), strlen(state_of(v)))) < 0 ||
	    json_add(row, "changed", 7, json_new_string(text, changes->len)) < 0 ||
	    !cJSON_AddItemToArray(h->rows, row))
		h->table.cells.failed = true;
}

/* Its content, if there is any that we may see. */
static struct kv_version *content_of(struct history *h, const struct kv_version *v, struct err *err)
{
	struct kv_version *content = NULL;
	int s;

	if (v->state != KV_LIVE || h->unreadable)
		return NULL;
	s = remote_read(h->r, h->at, v->number, &content, err);
	h->unreadable = s == -EACCES;
	if (s < 0)
		object_put(steal(content));
	return content;
}

static int add_version(struct history *h, int64_t number, struct err *err)
{
	_cleanup_object_ struct kv_version *v = NULL;
	_cleanup_buf_ struct buf changes = {0};
	struct kv_version *content;
	int s = kv_version_from_metadata(h->metadata, number, &v);

	if (s < 0)
		return s == -ENOENT ? 0 : s;
	content = content_of(h, v, err);
	if (content)
		print_changes(h, content, &changes);
	else if (v->state == KV_LIVE)
		buf_add_str(&changes, "?");
	add_row(h, v, &changes);
	object_put(h->before);
	h->before = content;
	return 0;
}

static int collect(struct history *h, struct err *err)
{
	int64_t last = json_get_int(h->metadata, "current_version", 0);
	int64_t first = json_get_int(h->metadata, "oldest_version", 0);
	int s = 0;

	for (int64_t n = first > 0 ? first : 1; s == 0 && n <= last; n++) {
		progress_step(&h->progress, (size_t)(last - first + (first > 0)));
		s = add_version(h, n, err);
	}
	progress_end(&h->progress);
	object_put(h->before);
	return s < 0 ? err_set(err, -s, "no memory") : 0;
}

static int history(struct remote *r, struct err *err)
{
	static const char *const head[] = {"VERSION", "CREATED", "STATE", "CHANGED", NULL};
	int format = format_choose(r->flags.value[0], FORMAT_PLAIN), s;
	_cleanup_json_ cJSON *metadata = NULL, *rows = cJSON_CreateArray();
	_cleanup_place_ struct place at = {0};
	struct history h = {.r = r,
			    .at = &at,
			    .rows = rows,
			    .table = {.head = head},
			    .progress = {.what = "versions"}};

	if (format < 0)
		return remote_no_format(r, 0, err);
	s = remote_find_secret(r, r->flags.words[0], &at, err);
	if (s == 0)
		s = r->kv->ops->metadata(r->kv, at.path, remote_limit(r), &metadata, err);
	if (s == -ENOENT)
		return err_set(err, ENOENT, "there is no %s", at.full);
	h.metadata = metadata;
	if (s == 0)
		s = collect(&h, err);
	if (s == 0)
		s = format == FORMAT_JSON ? print_json(rows)
					  : table_print(&h.table, format == FORMAT_PLAIN);
	table_fini(&h.table);
	return s;
}

static const struct flag history_flags[] = {
	{0, "format", "table|plain|json", "how to print it"},
	{0},
};

static int history_run(int argc, char **argv)
{
	return remote_run(&command_history, 1, 1, argc, argv, history);
}

const struct command command_history = {
	.name = "history",
	.usage = "[OPTION...] PATH",
	.summary = "Lists the versions of a secret, and what changed",
	.help = help_remote,
	.flags = history_flags,
	.brief = true,
	.run = history_run,
};

enum { SHOW };

static const struct flag diff_flags[] = {
	[SHOW] = {0, "show", NULL, "values too"},
	{0},
};

static void add_names(struct visitor *v, const struct kv_field *before,
		      const struct kv_field *after)
{
	char sign[2] = {sign_of(before, after), '\0'};
	const struct kv_field *f = after ? after : before;

	table_add_str(v->arg, sign);
	table_add(v->arg, f->name, f->name_len);
}

static void add_values(struct visitor *v, const struct kv_field *before,
		       const struct kv_field *after)
{
	const struct kv_field *both[] = {before, after};

	for (int i = 0; i < 2; i++) {
		if (!both[i])
			continue;
		table_add_str(v->arg, i ? "+" : "-");
		table_add(v->arg, both[i]->name, both[i]->name_len);
		table_add(v->arg, both[i]->text, both[i]->len);
	}
}

static int diff(struct remote *r, struct err *err)
{
	static const char *const names[] = {"", "KEY", NULL}, *const values[] = {"", "KEY", "VALUE",
										 NULL};
	bool show = r->flags.value[SHOW] != NULL;
	_cleanup_object_ struct kv_version *a = NULL, *b = NULL;
	_cleanup_table_ struct table t = {.head = show ? values : names};
	struct visitor v = {.visit = show ? add_values : add_names, .arg = &t};
	_cleanup_place_ struct place at = {0};
	long long numbers[2] = {0, 0};
	int s;

	for (int i = 1; i < r->flags.count; i++)
		if (flags_number(r->flags.words[i], &numbers[i - 1]) < 0 || !numbers[i - 1])
			return remote_wrong(r, err, "%s is no version's number", r->flags.words[i]);
	s = remote_find_secret(r, r->flags.words[0], &at, err);
	if (s == 0)
		s = remote_read(r, &at, numbers[0], &a, err);
	if (s == 0)
		s = remote_read(r, &at, numbers[1], &b, err);
	if (s < 0)
		return s;
	visit_changes(a, b, &v);
	return t.cells.len ? table_print(&t, !isatty(STDOUT_FILENO)) : EXIT_OK;
}

static int diff_run(int argc, char **argv)
{
	return remote_run(&command_diff, 2, 3, argc, argv, diff);
}

const struct command command_diff = {
	.name = "diff",
	.usage = "[--show] [OPTION...] PATH A [B]",
	.summary = "Tells what version B changed against A",
	.help = help_remote,
	.flags = diff_flags,
	.brief = true,
	.run = diff_run,
};
