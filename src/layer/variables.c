// SPDX-License-Identifier: Apache-2.0
/* The environment as a layer: a table, copied before anything else runs, and wiped at its origin.
 *
 * Some variables do not configure an application: those that every process gets (HOME, LANG,
 * NOTIFY_SOCKET), those that libraries read later (HTTPS_PROXY, SSL_CERT_FILE), and our own
 * options. The field "user" must not read as $USER. So they are hidden, and are not wiped. */

#include "layer/variables.h"

#include "conf/option.h"

#include <errno.h>
#include <string.h>

/* Properties of a name; a '*' at its end matches any continuation. */
enum {
	OWN = 1,  /* it belongs to the process, or to a library in it */
	RUNS = 2, /* programs take code, or where to find code, from it */
};
static const struct {
	const char *name;
	int means;
} known[] = {
	{"HOME", OWN | RUNS},
	{"LOGNAME", OWN},
	{"USER", OWN},
	{"USERNAME", OWN},
	{"PATH", OWN | RUNS},
	{"PWD", OWN},
	{"OLDPWD", OWN},
	{"SHELL", OWN | RUNS},
	{"SHLVL", OWN},
	{"TERM", OWN},
	{"COLORTERM", OWN},
	{"HOSTNAME", OWN},
	{"MAIL", OWN},
	{"TZ", OWN},
	{"LANG", OWN},
	{"LANGUAGE", OWN},
	{"LC_*", OWN},
	{"TMPDIR", OWN},
	{"EDITOR", OWN | RUNS},
	{"VISUAL", OWN | RUNS},
	{"PAGER", OWN | RUNS},
	{"DISPLAY", OWN},
	{"_", OWN},
	{"XDG_*", OWN | RUNS},
	{"DBUS_*", OWN | RUNS},
	{"SSH_*", OWN},
	{"SUDO_*", OWN | RUNS},
	{"LD_*", OWN | RUNS},
	{"LISTEN_*", OWN},
	{"WATCHDOG_*", OWN},
	{"SYSTEMD_*", OWN},
	{"INVOCATION_ID", OWN},
	{"JOURNAL_STREAM", OWN},
	{"NOTIFY_SOCKET", OWN},
	{"CREDENTIALS_DIRECTORY", OWN},
	{"MANAGERPID", OWN},
	{"MALLOC_*", OWN},
	{"GLIBC_*", OWN | RUNS},
	{"SSL_*", OWN},
	{"OPENSSL_*", OWN | RUNS},
	{"HTTP_PROXY", OWN},
	{"HTTPS_PROXY", OWN},
	{"ALL_PROXY", OWN},
	{"NO_PROXY", OWN},
	{"http_proxy", OWN},
	{"https_proxy", OWN},
	{"all_proxy", OWN},
	{"no_proxy", OWN},
	{"ASAN_*", OWN},
	{"LSAN_*", OWN},
	{"UBSAN_*", OWN},
	{"TSAN_*", OWN},
	{"GCOV_*", OWN},
	{"USE_VAULT", OWN},
	{"ENV", RUNS},
	{"BASH_ENV", RUNS},
	{"BASHOPTS", RUNS},
	{"SHELLOPTS", RUNS},
	{"BASH_FUNC_*", RUNS},
	{"PS4", RUNS},
	{"PROMPT_COMMAND", RUNS},
	{"IFS", RUNS},
	{"CDPATH", RUNS},
	{"GLOBIGNORE", RUNS},
	{"INPUTRC", RUNS},
	{"ZDOTDIR", RUNS},
	{"FPATH", RUNS},
	{"NULLCMD", RUNS},
	{"READNULLCMD", RUNS},
	{"DYLD_*", RUNS},
	{"_RLD*", RUNS},
	{"LIBPATH", RUNS},
	{"SHLIB_PATH", RUNS},
	{"GCONV_PATH", RUNS},
	{"NLSPATH", RUNS},
	{"LOCPATH", RUNS},
	{"PATH_LOCALE", RUNS},
	{"GETCONF_DIR", RUNS},
	{"HOSTALIASES", RUNS},
	{"RES_OPTIONS", RUNS},
	{"LOCALDOMAIN", RUNS},
	{"KRB5_CONFIG", RUNS},
	{"TERMINFO", RUNS},
	{"TERMINFO_DIRS", RUNS},
	{"TERMCAP", RUNS},
	{"TERMPATH", RUNS},
	{"PERL5LIB", RUNS},
	{"PERL5OPT", RUNS},
	{"PERL5DB", RUNS},
	{"PERLLIB", RUNS},
	{"PERLIO_DEBUG", RUNS},
	{"PYTHONPATH", RUNS},
	{"PYTHONHOME", RUNS},
	{"PYTHONSTARTUP", RUNS},
	{"PYTHONINSPECT", RUNS},
	{"PYTHONUSERBASE", RUNS},
	{"PYTHONBREAKPOINT", RUNS},
	{"PYTHONPLATLIBDIR", RUNS},
	{"PYTHONWARNINGS", RUNS},
	{"PYTHONPYCACHEPREFIX", RUNS},
	{"RUBYOPT", RUNS},
	{"RUBYLIB", RUNS},
	{"GEM_HOME", RUNS},
	{"GEM_PATH", RUNS},
	{"BUNDLE_GEMFILE", RUNS},
	{"NODE_OPTIONS", RUNS},
	{"NODE_PATH", RUNS},
	{"JAVA_TOOL_OPTIONS", RUNS},
	{"_JAVA_OPTIONS", RUNS},
	{"JDK_JAVA_OPTIONS", RUNS},
	{"CLASSPATH", RUNS},
	{"PHPRC", RUNS},
	{"PHP_INI_SCAN_DIR", RUNS},
	{"LUA_INIT*", RUNS},
	{"LUA_PATH*", RUNS},
	{"LUA_CPATH*", RUNS},
	{"TCLLIBPATH", RUNS},
	{"R_HOME", RUNS},
	{"R_PROFILE", RUNS},
	{"R_ENVIRON", RUNS},
	{"ERL_FLAGS", RUNS},
	{"ERL_AFLAGS", RUNS},
	{"ERL_ZFLAGS", RUNS},
	{"DOTNET_STARTUP_HOOKS", RUNS},
	{"DOTNET_ADDITIONAL_DEPS", RUNS},
	{"CORECLR_*", RUNS},
	{"COR_*", RUNS},
	{"JULIA_LOAD_PATH", RUNS},
	{"AWKPATH", RUNS},
	{"AWKLIBPATH", RUNS},
	{"GIT_SSH", RUNS},
	{"GIT_SSH_COMMAND", RUNS},
	{"GIT_EXTERNAL_DIFF", RUNS},
	{"GIT_ASKPASS", RUNS},
	{"GIT_EDITOR", RUNS},
	{"GIT_SEQUENCE_EDITOR", RUNS},
	{"GIT_PAGER", RUNS},
	{"GIT_PROXY_COMMAND", RUNS},
	{"GIT_EXEC_PATH", RUNS},
	{"GIT_TEMPLATE_DIR", RUNS},
	{"GIT_CONFIG*", RUNS},
	{"SSH_ASKPASS", RUNS},
	{"MANPAGER", RUNS},
	{"SYSTEMD_PAGER", RUNS},
	{"PSQL_PAGER", RUNS},
	{"PSQL_EDITOR", RUNS},
	{"PSQLRC", RUNS},
	{"LESSOPEN", RUNS},
	{"LESSCLOSE", RUNS},
	{"LESSKEY*", RUNS},
	{"BROWSER", RUNS},
	{"MAKEFLAGS", RUNS},
	{"MFLAGS", RUNS},
	{"MAKEFILES", RUNS},
	{"GTK_MODULES", RUNS},
	{"GTK_PATH", RUNS},
	{"GIO_EXTRA_MODULES", RUNS},
	{"QT_PLUGIN_PATH", RUNS},
	{"GOFLAGS", RUNS},
	{"RUSTC_WRAPPER", RUNS},
	{"CARGO_HOME", RUNS},
};

static bool is_one_of(const char *name, const char *pattern)
{
	size_t len = strlen(pattern);

	if (pattern[len - 1] == '*')
		return !strncmp(name, pattern, len - 1);
	return !strcmp(name, pattern);
}

static bool means(const char *name, int what)
{
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if ((known[i].means & what) && is_one_of(name, known[i].name))
			return true;
	return false;
}

bool variables_run_code(const char *name)
{
	return means(name, RUNS);
}

static bool is_own(const char *name)
{
	size_t n;
	const struct option *table = option_table(&n);

	if (means(name, OWN))
		return true;
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < OPTION_ENV_MAX && table[i].env[k]; k++)
			if (!strcmp(name, table[i].env[k]))
				return true;
	return false;
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct variable *)a)->name, ((const struct variable *)b)->name);
}

static int compare_key(const void *key, const void *row)
{
	return strcmp(key, ((const struct variable *)row)->name);
}

static bool is_known(const struct variables *v, const char *name)
{
	for (size_t i = 0; i < v->count; i++)
		if (!strcmp(v->rows[i].name, name))
			return true;
	return false;
}

/* Copies "NAME=value". The buffer has room, and does not move. */
static void copy(struct variables *v, const char *entry)
{
	size_t name_len = strcspn(entry, "=");
	struct variable *row = &v->rows[v->count];
	const char *value = entry + name_len + 1;

	row->name = v->bytes.data + v->bytes.len;
	buf_add(&v->bytes, entry, name_len);
	buf_add(&v->bytes, "", 1);
	if (is_known(v, row->name))
		return; /* getenv(3) finds the first of a name */
	row->value = v->bytes.data + v->bytes.len;
	row->len = strlen(value);
	row->hidden = is_own(row->name);
	buf_add(&v->bytes, value, row->len + 1);
	v->count++;
}

/* Wipes the variables that nothing in this process reads any more. */
static void wipe_environment(void)
{
	char **kept = environ;

	for (char **e = environ; e && *e; e++) {
		size_t name_len = strcspn(*e, "=");
		_cleanup_free_ char *name = strndup(*e, name_len);

		if (!name || !(*e)[name_len] || is_own(name))
			*kept++ = *e;
		else
			explicit_bzero(*e + name_len + 1, strlen(*e + name_len + 1));
	}
	if (kept)
		*kept = NULL;
}

/* Adds the file's variables. The existing rows are sorted. */
static void add_file(struct variables *v)
{
	const struct variables there = {.rows = v->rows, .count = v->count};

	for (size_t i = 0; i < v->file.count; i++) {
		const struct dotenv_row *row = &v->file.rows[i];

		if (row->last && !variables_find(&there, row->name, false))
			v->rows[v->count++] = (struct variable){
				.name = row->name, .value = row->value, .len = row->len};
	}
}

/* A variable that is hidden in the process may come from the file. */
static void drop_hidden_twins(struct variables *v)
{
	size_t kept = 0;

	for (size_t i = 0; i < v->count; i++) {
		bool twin = v->rows[i].hidden && dotenv_find(&v->file, v->rows[i].name);

		if (!twin)
			v->rows[kept++] = v->rows[i];
	}
	v->count = kept;
}

int variables_take(struct variables *v, const char *file, struct err *err)
{
	size_t count = 0, bytes = 0;
	int r = 0;

	*v = (struct variables){0};
	if (file)
		r = dotenv_read(file, true, &v->file, err);
	if (r < 0)
		return err_prefix(err, "env_file");
	for (char **e = environ; e && *e; e++, count++)
		bytes += strlen(*e) + 2;
	v->rows = calloc(count + v->file.count + 1, sizeof(*v->rows));
	buf_reserve(&v->bytes, bytes + 1);
	if (!v->rows || buf_status(&v->bytes) < 0)
		return err_set(err, ENOMEM, "no memory for variables");
	for (char **e = environ; e && *e; e++)
		if (**e != '=' && strchr(*e, '='))
			copy(v, *e);
	drop_hidden_twins(v);
	qsort(v->rows, v->count, sizeof(*v->rows), compare);
	add_file(v);
	qsort(v->rows, v->count, sizeof(*v->rows), compare);
	wipe_environment();
	return 0;
}

void variables_fini(struct variables *v)
{
	free(v->rows);
	buf_fini(&v->bytes);
	dotenv_fini(&v->file);
	*v = (struct variables){0};
}

const struct variable *variables_find(const struct variables *v, const char *name, bool named)
{
	const struct variable *row =
		v->count ? bsearch(name, v->rows, v->count, sizeof(*v->rows), compare_key) : NULL;

	return row && (named || !row->hidden) ? row : NULL;
}

bool variables_begin(const struct variables *v, const char *prefix)
{
	size_t low = 0, high = v->count, len = strlen(prefix);

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (strcmp(v->rows[middle].name, prefix) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < v->count && !strncmp(v->rows[low].name, prefix, len); low++)
		if (!v->rows[low].hidden)
			return true;
	return false;
}
