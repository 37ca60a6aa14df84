// SPDX-License-Identifier: Apache-2.0
/* vaultfs run: a program with secrets in its environment.
 *
 * Without --watch we become the program: its signals, its exit status and its place among the
 * processes are what they would be without us; but it dumps no core, since it has secrets. With
 * --watch we stay, poll the secrets, and restart or signal the program. No program is ever started
 * with only some of its secrets. */

#include "cmd/run/run_commands.h"

#include "cli/help.h"
#include "layer/variables.h"
#include "cmd/run/environment.h"
#include "remote/mapping.h"
#include "remote/reader.h"
#include "cmd/run/supervise.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INTERVAL "10s"

enum { PREFIX, MAP, WATCH, ON_CHANGE, WATCH_INTERVAL, ALLOW };

static const struct flag flags[] = {
	{0, "prefix", "P", "names of variables begin with P"},
	{0, "map", "FILE", "names by a JSON file, {\"PATH/FIELD\": \"VARIABLE\"}"},
	{0, "watch", NULL, "stay, and start CMD anew when a secret has changed"},
	{0, "on-change", "WHAT", "restart, or the name of a signal to send instead (HUP)"},
	{0, "interval", "TIME", "how often to look [" INTERVAL "]"},
	{0, "allow", "NAME,...", "variables by which programs run code, as PATH"},
	{0},
};

/* Outlives the connection to the server. */
static struct {
	char **argv;
	int argc;
	struct environment environment;
	bool watched; /* it ran under --watch */
	int signal;   /* that ended it then */
} program;

struct run {
	struct remote *r;
	struct reader reader;
	struct mapping map;
	struct place *places; /* the words before "--" */
	int count;
	char told[200];		 /* the last error that was printed */
	struct environment ours; /* without variables for us alone, such as tokens */
};

/* Heap; NULL: no memory. */
static char *name_of(const struct run *x, const struct place *at, const struct kv_field *f)
{
	const char *mapped = mapping_variable(&x->map, at->full, f->name, x->r->conf.source);

	return mapped ? strdup(mapped) : mapping_name(x->r->flags.value[PREFIX], f->name);
}

/* `list` is separated by commas. */
static bool is_listed(const char *list, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = list; at && *at; at += strcspn(at, ","), at += *at == ',')
		if (strcspn(at, ",") == len && !strncmp(at, name, len))
			return true;
	return false;
}

/* Somebody who may write a secret must not choose which code the program runs. */
static int check_code(struct run *x, const struct place *at, const struct kv_field *f,
		      const char *name, struct err *err)
{
	if (!variables_run_code(name) || is_listed(x->r->flags.value[ALLOW], name))
		return 0;
	return remote_wrong(x->r, err,
			    "%s#%s would be the variable %s, by which programs run code: name it "
			    "otherwise by --prefix or --map, or insist with --allow %s",
			    at->full, f->name, name, name);
}

static int add_field(struct run *x, const struct place *at, const struct kv_field *f,
		     struct environment *to, struct err *err)
{
	_cleanup_free_ char *name = name_of(x, at, f);
	int s = name ? check_code(x, at, f, name, err) : 0;

	if (s < 0)
		return s;
	s = name ? environment_set(to, name, f->text, f->len) : -ENOMEM;
	if (s == -EINVAL)
		return err_set(err, EILSEQ, "%s#%s holds NUL, and cannot be in an environment",
			       at->full, f->name);
	return s < 0 ? err_set(err, ENOMEM, "no memory") : 0;
}

/* Two fields of one secret for one variable are a mistake, whether by a row or by name. If two
 * paths provide it, the later one wins. */
static int check_names(struct run *x, const struct place *at, const struct kv_version *v,
		       struct err *err)
{
	for (size_t i = 0; i < v->count; i++) {
		_cleanup_free_ char *name = name_of(x, at, &v->fields[i]);

		for (size_t k = i + 1; name && k < v->count; k++) {
			_cleanup_free_ char *other = name_of(x, at, &v->fields[k]);

			if (other && !strcmp(name, other))
				return remote_wrong(x->r, err,
						    "%s: fields %s and %s are both %s: tell them "
						    "apart by --map",
						    at->full, v->fields[i].name, v->fields[k].name,
						    name);
		}
	}
	return 0;
}

/* Without a server the value is in the program's own environment: if not under the name that a
 * mount looks for, then perhaps under the name that the program expects. */
static bool has_own(const struct run *x, const struct place *at)
{
	const struct kv_field f = {.name = at->field, .name_len = strlen(at->field)};
	_cleanup_free_ char *name = name_of(x, at, &f);

	return name && reader_asks_nobody(&x->reader, at->full) && environment_has(&x->ours, name);
}

static int add_place(struct run *x, const struct place *at, struct environment *to, struct err *err)
{
	const struct kv_version *v;
	struct kv_field f;
	int s;

	if (at->field) {
		s = reader_field(&x->reader, at->full, at->field, &f, err);
		if (s == -ENOENT && has_own(x, at))
			return 0;
		return s < 0 ? s : add_field(x, at, &f, to, err);
	}
	s = reader_get(&x->reader, at->full, &v, err);
	if (s == 0)
		s = check_names(x, at, v, err);
	for (size_t i = 0; s == 0 && i < v->count; i++)
		s = add_field(x, at, &v->fields[i], to, err);
	return s;
}

static int make_environment(struct run *x, struct environment *to, struct err *err)
{
	int s = 0;

	for (size_t i = 0; s == 0 && i < x->ours.count; i++) {
		const char *text = x->ours.vars[i], *value = strchr(text, '=');
		_cleanup_free_ char *name = strndup(text, (size_t)(value - text));

		s = name ? environment_set(to, name, value + 1, strlen(value + 1)) : -ENOMEM;
	}
	if (s < 0)
		return err_set(err, ENOMEM, "no memory");
	for (int i = 0; s == 0 && i < x->count; i++)
		s = add_place(x, &x->places[i], to, err);
	return s;
}

/* Updates the environment if a secret has changed; on failure the old one stays. */
static bool look(void *arg)
{
	struct run *x = arg;
	struct environment next = {0};
	struct err err = {0};
	bool any = false;
	int s = 0;

	for (int i = 0; s == 0 && i < x->count; i++) {
		bool changed = false;

		s = reader_look(&x->reader, x->places[i].full, x->places[i].field, &changed, &err);
		any = any || changed;
	}
	if (s == 0 && any)
		s = make_environment(x, &next, &err);
	if (s < 0) {
		if (!cancel_fired(x->r->cancel) &&
		    strncmp(x->told, err_text(&err), sizeof(x->told) - 1) != 0)
			command_fail(0, "the environment stays as it is: %s", err_text(&err));
		snprintf(x->told, sizeof(x->told), "%s", err_text(&err));
		environment_fini(&next);
		return false;
	}
	x->told[0] = '\0';
	if (any) {
		environment_fini(&program.environment);
		program.environment = next;
	}
	return any;
}

static void hurry(void *arg)
{
	struct run *x = arg;

	cancel_fire(x->r->cancel);
}

static char **environment_of(void *arg)
{
	(void)arg;
	return program.environment.vars;
}

static int parse_signal(const char *name)
{
	static const int known[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};

	if (!strncasecmp(name, "SIG", 3))
		name += 3;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (!strcasecmp(sigabbrev_np(known[i]), name))
			return known[i];
	return -1;
}

static int watch(struct run *x, struct err *err)
{
	const char *what = x->r->flags.value[ON_CHANGE],
		   *interval = x->r->flags.value[WATCH_INTERVAL];
	struct supervise s = {.argv = program.argv,
			      .look = look,
			      .hurry = hurry,
			      .environment = environment_of,
			      .arg = x};
	struct cancel cancel;
	int status;

	if (what && strcmp(what, "restart") != 0)
		s.signal = parse_signal(what);
	if (s.signal < 0)
		return remote_wrong(x->r, err,
				    "--on-change takes restart, or a signal as HUP is one");
	if (clock_parse_duration(interval ? interval : INTERVAL, &s.interval) < 0 ||
	    s.interval < NS_PER_SEC / 10)
		return remote_wrong(x->r, err, "--interval takes a time, as 10s is one");
	cancel_init(&cancel);
	x->r->cancel = &cancel;
	status = supervise_run(&s);
	x->r->cancel = NULL;
	cancel_fini(&cancel);
	program.watched = true;
	program.signal = status < 0 ? -status : 0;
	return status < 0 ? 128 - status : status;
}

static int prepare(struct run *x, struct err *err)
{
	int s = 0;

	/* These may be our credentials, which are about to be wiped, and the program's as well. */
	if (environment_add_ours(&x->ours, "AWS_") < 0)
		return err_set(err, ENOMEM, "no memory");
	x->places = calloc((size_t)x->count, sizeof(*x->places));
	if (!x->places)
		return err_set(err, ENOMEM, "no memory");
	for (int i = 0; s == 0 && i < x->count; i++)
		s = place_parse(&x->places[i], x->r->flags.words[i], err);
	if (s == 0)
		s = mapping_read(&x->map, x->r->flags.value[MAP], err);
	x->r->local = s < 0;
	return s;
}

static int run(struct remote *r, struct err *err)
{
	struct run x = {.r = r, .count = r->flags.count - program.argc};
	int s = prepare(&x, err);

	r->stays = r->flags.value[WATCH] != NULL;
	if (r->stays)
		supervise_block();
	if (s == 0)
		s = reader_open(&x.reader, r, err);
	/* Our credentials have been wiped by now; the layers will take the rest. */
	if (s == 0 && environment_add_ours(&x.ours, "") < 0)
		s = err_set(err, ENOMEM, "no memory");
	if (s == 0)
		s = reader_take_layers(&x.reader, err);
	if (s == 0)
		s = make_environment(&x, &program.environment, err);
	if (s == 0 && r->flags.value[WATCH])
		s = watch(&x, err);
	for (int i = 0; x.places && i < x.count; i++)
		place_fini(&x.places[i]);
	free(x.places);
	environment_fini(&x.ours);
	mapping_fini(&x.map);
	reader_fini(&x.reader);
	return s;
}

/* Ends us by the program's signal, so that our parent sees it. */
static void die(int signal)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_UNBLOCK, &all, NULL);
	raise(signal);
}

/* The number of words after "--"; -1: there is no "--". */
static int count_command(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], "--"))
			return argc - i - 1;
	return -1;
}

static int run_run(int argc, char **argv)
{
	int n = count_command(argc, argv), status;

	if (n < 1)
		return command_misused(&command_run, "CMD is missing, after --");
	program.argv = argv + argc - n;
	program.argc = n;
	/* At least one path, and the command with its own options. */
	status = remote_run(&command_run, n + 1, INT_MAX, argc, argv, run);
	if (status == EXIT_OK && !program.watched)
		status = supervise_exec(program.argv, program.environment.vars);
	environment_fini(&program.environment);
	if (program.signal)
		die(program.signal);
	return status;
}

static void help(void)
{
	printf("\nThe names of variables are those of the fields, in upper case, after P.\n");
	help_remote();
}

const struct command command_run = {
	.name = "run",
	.usage = "[OPTION...] PATH[#FIELD]... -- CMD [ARGUMENT...]",
	.summary = "Runs a program with secrets in its environment",
	.help = help,
	.flags = flags,
	.brief = true,
	.run = run_run,
};
