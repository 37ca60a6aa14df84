// SPDX-License-Identifier: Apache-2.0
/* The layers of configuration: defaults, then the file, then the environment, then -o. */

#include "conf/conf.h"

#include "base/secmem.h"
#include "base/trust.h"
#include "conf/on_change.h"
#include "conf/option.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <string.h>

int conf_init(struct conf *c, struct err *err)
{
	size_t n;
	const struct option *table = option_table(&n);

	*c = (struct conf){.uid = geteuid(), .gid = getegid()};
	for (size_t i = 0; i < n; i++) {
		int r = 0;

		if (table[i].preset)
			r = option_set(c, &table[i], table[i].preset, err);
		if (r < 0)
			return r;
	}
	return 0;
}

void conf_fini(struct conf *c)
{
	size_t n;
	const struct option *table = option_table(&n);

	for (size_t i = 0; i < n; i++) {
		void *p = (char *)c + table[i].offset;

		if (table[i].type == OPTION_STRING || table[i].type == OPTION_FILE ||
		    table[i].type == OPTION_ADDRESSES)
			free(*(char **)p);
		else if (table[i].type == OPTION_SECRET)
			secret_put(*(struct secret **)p);
	}
	rules_free(c->rules);
	on_change_free(c->hooks);
	*c = (struct conf){0};
}

struct reading {
	struct conf *conf;
	FILE *file;
	int line;		/* the current line */
	int mistake;		/* the line of the first one; 0: none */
	int failed;		/* errno of reading */
	struct err *err;	/* the mistake, without file and line */
	struct rule *rule;	/* the current [path] section; NULL: none */
	struct on_change *hook; /* the current [on_change] section; NULL: none */
};

static int tell(struct reading *reading, const char *what)
{
	if (!reading->mistake) {
		reading->mistake = reading->line;
		err_set(reading->err, EINVAL, "%s", what);
	}
	return 0;
}

/* The parser keeps only 50 bytes of a section's head. So we read the head, and give it a blank
 * line. */
static char *on_section(char *line, struct reading *reading)
{
	struct err why = {0};

	bool hook = on_change_is_head(line);
	int r;

	reading->rule = NULL;
	reading->hook = NULL;
	r = hook ? on_change_add(&reading->conf->hooks, line, &reading->hook, &why)
		 : rule_add(&reading->conf->rules, line, &reading->rule, &why);
	if (r < 0) {
		tell(reading, err_text(&why));
		return NULL;
	}
	return strcpy(line, "\n");
}

/* Returns a line without leading blanks, which would continue the previous line. Stops after a
 * mistake. */
static char *on_line(char *to, int room, void *arg)
{
	struct reading *reading = arg;
	size_t len, blanks;

	reading->line++;
	if (reading->mistake || !fgets(to, room, reading->file)) {
		reading->failed = ferror(reading->file) ? errno : 0;
		return NULL;
	}
	len = strlen(to);
	if (len + 1 == (size_t)room && to[len - 1] != '\n') {
		tell(reading, "the line is too long");
		return NULL;
	}
	blanks = strspn(to, " \t");
	memmove(to, to + blanks, len + 1 - blanks);
	return *to == '[' ? on_section(to, reading) : to;
}

static int on_row(void *arg, const char *section, const char *name, const char *value)
{
	struct reading *reading = arg;
	const struct option *o = option_find(name, strlen(name));
	struct err why = {0};

	if (reading->hook) {
		if (on_change_set(reading->hook, name, value, &why) == 0)
			return 1;
	} else if (reading->rule) {
		if (rule_set(reading->rule, name, value, &why) == 0)
			return 1;
	} else if (!o)
		err_set(&why, EINVAL, "no option %s is known", name);
	else if (option_set(reading->conf, o, value, &why) == 0)
		return 1;
	return tell(reading, err_text(&why));
}

int conf_read_file(struct conf *c, const char *path, struct err *err)
{
	struct err why = {0};
	struct reading reading = {.conf = c, .err = &why};
	int fd = trust_open(path, err), line;

	c->layer++;
	if (fd < 0)
		return err_prefix(err, "cannot read the configuration %s", path), fd;
	reading.file = fdopen(fd, "r");
	if (!reading.file) {
		close(fd);
		return err_set(err, ENOMEM, "no memory");
	}
	line = ini_parse_stream(on_line, &reading, on_row, &reading);
	fclose(reading.file);
	if (reading.failed)
		return err_set(err, reading.failed, "cannot read the configuration %s: %s", path,
			       strerror(reading.failed));
	if (line == 0 && !reading.mistake) {
		if (on_change_check(c->hooks, &why) == 0)
			return 0;
		return err_set(err, EINVAL, "%s: %s", path, err_text(&why));
	}
	/* The parser goes on after its own mistakes: ours may be on a later line. */
	if (line == 0 || line == reading.mistake)
		return err_set(err, EINVAL, "%s, line %d: %s", path, reading.mistake,
			       err_text(&why));
	return err_set(err, EINVAL, "%s, line %d: not NAME = VALUE", path, line);
}

/* The value of the strongest variable that is set. OpenBao's names count even if they are empty. */
static char *environment_of(const struct option *o, const char **name)
{
	for (size_t i = 0; i < OPTION_ENV_MAX && o->env[i]; i++) {
		char *value = getenv(o->env[i]);

		if (value && (*value || !strncmp(o->env[i], "BAO_", 4))) {
			*name = o->env[i];
			return value;
		}
	}
	return NULL;
}

static int take_secret(struct conf *c, const struct option *o, const char *value, struct err *err)
{
	struct secret **to = (struct secret **)((char *)c + o->offset);

	secret_put(steal(*to));
	if (!*value)
		return 0;
	*to = secret_new(value, strlen(value));
	if (!*to)
		return err_set(err, ENOMEM, "no memory for a credential");
	option_replace(c, o);
	return 0;
}

/* Wipes every occurrence: a process may be given a variable twice. */
static void wipe_variable(const char *name)
{
	size_t len = strlen(name);

	for (char **v = environ; v && *v; v++)
		if (!strncmp(*v, name, len) && (*v)[len] == '=')
			explicit_bzero(*v + len + 1, strlen(*v + len + 1));
	unsetenv(name);
}

/* The meaning of an empty variable: it is no number, no time, and above all no "yes". */
static const char *default_of(const struct option *o)
{
	if (o->preset)
		return o->preset;
	return o->type == OPTION_BOOL ? "no" : "";
}

int conf_read_environment(struct conf *c, struct err *err)
{
	size_t n;
	const struct option *table = option_table(&n);
	int r = 0;

	c->layer++;
	for (size_t i = 0; i < n; i++) {
		const struct option *o = &table[i];
		const char *name = NULL, *value = environment_of(o, &name);
		struct err why = {0};

		if (value && !*value)
			value = default_of(o);
		if (value && r == 0 && o->type == OPTION_SECRET)
			r = take_secret(c, o, value, err);
		else if (value && r == 0 && option_set(c, o, value, &why) < 0)
			r = err_set(err, EINVAL, "%s in the environment: %s", name, err_text(&why));
		/* The row of USE_VAULT comes later and wins. */
		if (value && r == 0 && o->offset == offsetof(struct conf, secret_manager))
			c->use_vault = c->secret_manager == CONF_MANAGER_VAULT;
		for (size_t k = 0; o->type == OPTION_SECRET && k < OPTION_ENV_MAX && o->env[k]; k++)
			wipe_variable(o->env[k]);
	}
	if (!c->use_vault)
		c->env = CONF_ENV_ONLY;
	return r;
}

/* Takes one "name=value" of a list, in which "\," is a comma; heap. Moves *rest past it. */
static char *take_item(const char **rest)
{
	char *item = malloc(strlen(*rest) + 1), *to = item;
	const char *p = *rest;

	if (!item)
		return NULL;
	for (; *p && *p != ','; p++) {
		if (*p == '\\' && (p[1] == ',' || p[1] == '\\'))
			p++;
		*to++ = *p;
	}
	*to = '\0';
	*rest = *p ? p + 1 : p;
	return item;
}

static int set_item(struct conf *c, char *item, struct err *err)
{
	size_t len = strcspn(item, "=");
	const struct option *o = option_find(item, len);
	static const char *const secrets[] = {"token", "role_id", "secret_id", "jwt", "password"};

	for (size_t i = 0; i < ARRAY_SIZE(secrets); i++)
		if (strlen(secrets[i]) == len && !memcmp(secrets[i], item, len))
			return err_set(err, EINVAL,
				       "%s= is not taken from the command line, which every user "
				       "can read: use %s_file=FILE or the environment",
				       secrets[i], secrets[i]);
	if (!o)
		return err_set(err, EINVAL, "no option %.*s is known (vaultfs mount --help)",
			       (int)len, item);
	return option_set(c, o, item[len] ? item + len + 1 : NULL, err);
}

int conf_read_options(struct conf *c, const char *options, struct err *err)
{
	c->layer++;
	while (*options) {
		_cleanup_free_ char *item = take_item(&options);
		int r;

		if (!item)
			return err_set(err, ENOMEM, "no memory");
		r = *item ? set_item(c, item, err) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

int conf_read(struct conf *c, const char *file, const char *options, struct err *err)
{
	int r = conf_init(c, err);

	if (r == 0 && (file || access(CONF_SYSTEM_FILE, F_OK) == 0))
		r = conf_read_file(c, file ? file : CONF_SYSTEM_FILE, err);
	if (r == 0)
		r = conf_read_environment(c, err);
	if (r == 0 && options)
		r = conf_read_options(c, options, err);
	return r;
}

int conf_set_log_level(const struct conf *c, struct err *err)
{
	int level = log_level_parse(c->log_level);

	if (level < 0)
		return err_set(err, EINVAL, "log_level=%s: expected error, warning, info or debug",
			       c->log_level);
	log_set_level((enum log_level)level);
	return 0;
}
