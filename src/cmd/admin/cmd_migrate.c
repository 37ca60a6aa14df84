// SPDX-License-Identifier: Apache-2.0
/* vaultfs migrate: brings a .env file, or the environment, into secrets. migrate/copying.c copies
 * secrets of a local store or another server.
 *
 *      read    the variables, the mapping
 *      plan    a place for each; the present values there
 *      show    a table, in which values are hidden
 *      write   one version for each secret, by check-and-set; equal values are not written again
 *      report  the variables that can be deleted at their origin
 *
 * It may be interrupted anywhere and run again. */

#include "cmd/admin/admin_commands.h"

#include "base/visible.h"
#include "cli/help.h"
#include "migrate/copying.h"
#include "migrate/origin.h"
#include "migrate/plan.h"
#include "migrate/destination.h"
#include "cli/print.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TRIES	   5 /* when others write at the same time */
#define FROM_ENV   "env://"
#define HIDDEN	   "********"
#define MAPPED_NEW ".vaultfs-new"

enum { ENV_FILE, FROM, MAPPING_FILE, EXPORT_MAPPING, PREFIX, OVERWRITE, DRY_RUN, FROM_CONF, STRIP };

static const struct flag flags[] = {
	{0, "env-file", "FILE", "take the variables of a .env file"},
	{0, "from", "SOURCE", "env://P, local:FILE or vault:PATH, as below"},
	{0, "mapping-file", "FILE", "where they go: JSON, {\"PATH/FIELD\": \"VARIABLE\"}"},
	{0, "export-mapping", "FILE", "write where they go to FILE, for env_map= too"},
	{0, "prefix", "P", "put all paths below P: development"},
	{0, "overwrite", NULL, "replace what is there and differs"},
	{0, "dry-run", NULL, "show the plan, and write nothing to the server"},
	{0, "from-conf", "FILE", "the server, or the key, of --from; as -c takes it"},
	{0, "strip-prefix", "P", "names of variables without the P that they begin with: APP_"},
	{0},
};

struct migrate {
	struct remote *r;
	struct destination target;
	struct dotenv from;
	struct mapping map;
	struct plan plan;
	const char *where; /* the origin's name, for people */
	size_t skip;	   /* bytes of each name that only state its origin */
	size_t done;	   /* items of the plan that were written, or were there already */
	size_t written, versions;
};

/* Takes the variables of the environment, as if they were a file's. */
static int take_environment(struct migrate *m, const char *prefix, struct err *err)
{
	struct dotenv *e = &m->from;
	size_t count = 0, at;

	for (char **v = environ; *v; v++)
		count++;
	e->rows = calloc(count + 1, sizeof(*e->rows));
	for (char **v = environ; e->rows && *v; v++)
		if (!strncmp(*v, prefix, strlen(prefix)) && strchr(*v, '='))
			buf_add(&e->bytes, *v, strlen(*v) + 1);
	if (!e->rows || buf_status(&e->bytes) < 0)
		return err_set(err, ENOMEM, "no memory");
	for (at = 0; at < e->bytes.len; at += strlen(e->bytes.data + at) + 1) {
		char *name = e->bytes.data + at, *value = strchr(name, '=');
		struct dotenv_row *row = &e->rows[e->count++];

		*value++ = '\0';
		*row = (struct dotenv_row){
			.name = name, .value = value, .len = strlen(value), .last = true};
		at += (size_t)(value - name);
	}
	m->skip = strlen(prefix);
	return 0;
}

static int read_variables(struct migrate *m, struct err *err)
{
	const char *file = m->r->flags.value[ENV_FILE], *from = m->r->flags.value[FROM];
	int s;

	if (!file == !from)
		return remote_wrong(m->r, err, "say where from: --env-file FILE or --from SOURCE");
	m->where = file ? file : "the environment";
	if (from && strncmp(from, FROM_ENV, strlen(FROM_ENV)) != 0)
		return remote_wrong(m->r, err,
				    "--from takes env://PREFIX, local:FILE or vault:PATH");
	if (m->r->flags.value[FROM_CONF])
		return remote_wrong(m->r, err, "--from-conf is for --from local: and vault:");
	s = file ? dotenv_read(file, false, &m->from, err)
		 : take_environment(m, from + strlen(FROM_ENV), err);
	if (s == 0 && !m->from.count)
		return remote_wrong(m->r, err, "there are no variables in %s", m->where);
	if (s == 0)
		s = mapping_read(&m->map, m->r->flags.value[MAPPING_FILE], err);
	if (s == 0)
		s = plan_make(&m->plan, &m->from, &m->map, m->skip, m->r->flags.value[STRIP], err);
	m->r->local = s < 0;
	return s;
}

static int judge_all(struct migrate *m, struct err *err)
{
	bool overwrite = m->r->flags.value[OVERWRITE] != NULL;
	int s = 0;

	for (size_t i = 0; s == 0 && i < m->plan.count; i += plan_group(&m->plan, i)) {
		_cleanup_object_ struct kv_version *now = NULL;
		_cleanup_free_ char *full = NULL;
		struct spot at;

		s = destination_read(&m->target, m->plan.items[i].path, &full, &at, &now, err);
		if (s == 0)
			plan_judge(&m->plan.items[i], plan_group(&m->plan, i), now, overwrite);
	}
	return s;
}

static int show(struct migrate *m)
{
	static const char *const head[] = {"VARIABLE", "SECRET", "FIELD", "VALUE", "ACTION", NULL};
	static const char *const actions[] = {[PLAN_CREATE] = "create",
					      [PLAN_SAME] = "is there already",
					      [PLAN_DIFFERS] = "differs, stays",
					      [PLAN_REPLACE] = "replace"};
	_cleanup_table_ struct table t = {.head = head};

	for (size_t i = 0; i < m->plan.count; i++) {
		const struct plan_item *item = &m->plan.items[i];
		_cleanup_free_ char *full = NULL;

		if (asprintf(&full, "%s/%s", m->target.top, item->path) < 0)
			return command_fail(EXIT_LOCAL, "no memory");
		table_add_str(&t, item->variable);
		table_add_str(&t, full);
		table_add_str(&t, item->field);
		table_add_str(&t, HIDDEN);
		table_add_str(&t, actions[item->action]);
	}
	return table_print(&t, !isatty(STDOUT_FILENO));
}

/* Lists the items to be written as changes; returns their number. */
static size_t list_changes(const struct plan_item *items, size_t count, struct kv_change *to)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		const struct dotenv_row *row = items[i].row;

		if (items[i].action != PLAN_CREATE && items[i].action != PLAN_REPLACE)
			continue;
		to[n++] = (struct kv_change){.name = items[i].field,
					     .name_len = strlen(items[i].field),
					     .type = KV_STRING,
					     .binary = !kv_is_text(row->value, row->len),
					     .text = row->value,
					     .len = row->len};
	}
	return n;
}

/* Reads a secret once, and writes one version if something is missing. -EBUSY: somebody else has
 * written one meanwhile. */
static int write_once(struct migrate *m, struct plan_item *items, size_t count, struct err *err)
{
	_cleanup_object_ struct kv_version *now = NULL;
	struct secret_change change = {.cas = KV_ANY};
	_cleanup_free_ struct kv_change *changes = calloc(count, sizeof(*changes));
	_cleanup_free_ char *full = NULL;
	struct spot at;
	int s;

	if (!changes)
		return err_set(err, ENOMEM, "no memory");
	s = destination_read(&m->target, items->path, &full, &at, &now, err);
	if (s < 0)
		return s;
	if (!plan_judge(items, count, now, m->r->flags.value[OVERWRITE] != NULL))
		return 0;
	change.base = now;
	change.fields = changes;
	change.count = list_changes(items, count, changes);
	s = destination_change(&m->target, &at, &change, err);
	if (s < 0) {
		err_prefix(err, "%s", full);
		return s;
	}
	m->written += change.count;
	m->versions++;
	return 0;
}

static void progress(size_t done, size_t all)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r%zu of %zu variables%s", done, all, done == all ? "\n" : "");
}

static int write_all(struct migrate *m, struct err *err)
{
	struct plan *p = &m->plan;
	int s = 0;

	for (size_t i = 0, n; s == 0 && i < p->count; i += n) {
		n = plan_group(p, i);
		for (unsigned tries = 0; tries < TRIES; tries++) {
			s = write_once(m, &p->items[i], n, err);
			if (s != -EBUSY)
				break;
		}
		if (s < 0)
			break;
		m->done = i + n;
		progress(m->done, p->count);
	}
	return s;
}

static int export_mapping(struct migrate *m, struct err *err)
{
	const char *file = m->r->flags.value[EXPORT_MAPPING];
	_cleanup_json_ cJSON *json = file ? plan_mapping(&m->plan) : NULL;
	_cleanup_buf_ struct buf text = {0};
	_cleanup_free_ char *new = NULL;
	FILE *f;
	int fd;

	if (!file)
		return 0;
	if (!json || json_print(json, true, &text) < 0 || asprintf(&new, "%s" MAPPED_NEW, file) < 0)
		return err_set(err, ENOMEM, "no memory");
	unlink(new);
	fd = open(new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666); /* through no link */
	f = fd < 0 ? NULL : fdopen(fd, "w");
	if (!f || fprintf(f, "%s\n", text.data) < 0 || fclose(f) != 0 || rename(new, file) < 0)
		return remote_wrong(m->r, err, "cannot write %s: %s", file, strerror(errno));
	return 0;
}

/* In the file's order of lines, for a person who deletes them from the top. */
static void print_deletable(const struct migrate *m)
{
	const struct plan *p = &m->plan;

	visible_print(stdout, "%s:\n",
		      m->r->flags.value[ENV_FILE]
			      ? "These are at the server now, and can be deleted from the file"
			      : "These are at the server now, and need not be set any more");
	for (const struct dotenv_row *row = m->from.rows; row < m->from.rows + m->from.count; row++)
		for (size_t i = 0; i < m->done; i++)
			if (!strcmp(p->items[i].variable, row->name) &&
			    p->items[i].action != PLAN_DIFFERS) {
				if (row->line)
					printf("  line %u: ", row->line);
				visible_print(stdout, "%s%s\n", row->line ? "" : "  ", row->name);
			}
}

/* Also reports what was done before a failure. */
static int report(const struct migrate *m)
{
	size_t same, differing = 0, left = m->plan.count - m->done;

	for (size_t i = 0; i < m->done; i++)
		differing += m->plan.items[i].action == PLAN_DIFFERS;
	same = m->done - m->written - differing;
	visible_print(
		stdout,
		"\n%zu written, in %zu secrets; %zu there already; %zu left, since they differ%s",
		m->written, m->versions, same, differing,
		differing ? " (--overwrite replaces them)" : "");
	if (left)
		printf("; %zu not done", left);
	printf("\n");
	if (m->written + same)
		print_deletable(m);
	fflush(stdout);
	return differing ? EXIT_LOCAL : EXIT_OK;
}

static int steps(struct migrate *m, struct err *err)
{
	int s = read_variables(m, err);

	if (s == 0)
		s = destination_open(&m->target, m->r, m->r->flags.value[PREFIX],
				     !m->r->flags.value[DRY_RUN], err);
	if (s == 0)
		s = judge_all(m, err);
	if (s == 0)
		s = export_mapping(m, err);
	if (s == 0)
		s = show(m);
	if (s != 0 || m->r->flags.value[DRY_RUN])
		return s;
	s = write_all(m, err);
	if (s < 0) {
		report(m);
		return s;
	}
	return report(m);
}

/* Copies whole secrets, which have names and places already. */
static int copy(struct remote *r, struct err *err)
{
	const char *const *value = r->flags.value;
	struct copying_options options = {.from = value[FROM],
					  .conf = value[FROM_CONF],
					  .prefix = value[PREFIX],
					  .overwrite = value[OVERWRITE] != NULL,
					  .dry_run = value[DRY_RUN] != NULL};

	if (value[ENV_FILE] || value[MAPPING_FILE] || value[EXPORT_MAPPING] || value[STRIP])
		return remote_wrong(
			r, err,
			"--env-file, --strip-prefix and mappings are for variables, and %s has "
			"secrets",
			value[FROM]);
	return copying_run(r, &options, err);
}

static int migrate(struct remote *r, struct err *err)
{
	struct migrate m = {.r = r};
	int s;

	if (r->flags.value[FROM] && origin_is(r->flags.value[FROM]))
		return copy(r, err);
	s = steps(&m, err);
	plan_fini(&m.plan);
	mapping_fini(&m.map);
	dotenv_fini(&m.from);
	destination_close(&m.target);
	return s;
}

static int migrate_run(int argc, char **argv)
{
	return remote_run(&command_migrate, 0, 1, argc, argv, migrate);
}

static void help(void)
{
	printf("\nTARGET is the path that all secrets are put below, SOURCE if there is none.\n"
	       "Without a mapping DB_MAX_CONNS is the field max_conns of the secret db.\n\n"
	       "  --from env://P           the variables of the environment that begin with P\n"
	       "  --from local:FILE[/PATH] the secrets of a local store\n"
	       "  --from vault:PATH        the secrets of the server that --from-conf describes,\n"
	       "                           without it of the target's\n\n"
	       "  -c FILE                  as for mount\n"
	       "  -o OPT,...               as for mount (vaultfs mount --help)\n");
}

const struct command command_migrate = {
	.name = "migrate",
	.usage = "--env-file FILE|--from SOURCE [OPTION...] [TARGET]",
	.summary = "Brings a .env file, or secrets from elsewhere, to the server",
	.help = help,
	.flags = flags,
	.run = migrate_run,
};
