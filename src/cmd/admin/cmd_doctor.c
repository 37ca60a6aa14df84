// SPDX-License-Identifier: Apache-2.0
/* vaultfs doctor: all that a mount needs, one line each, and what to do where it is missing. */

#include "cmd/admin/admin_commands.h"

#include "cli/help.h"
#include "host/memory.h"
#include "remote/remote.h"
#include "store/local.h"
#include "vault/health.h"
#include "vault/token.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#define LOCKED_ENOUGH (22u << 20) /* vaultfs-security(7) */

/* Prints a line; `advice` is what to do, NULL where nothing is. */
static void tell(const char *verdict, const char *what, const char *text, const char *advice)
{
	printf("%-5s %-8s %s%s%s\n", verdict, what, text, advice ? "\n      -> " : "",
	       advice ? advice : "");
}

/* Advice for an error of the server's, or of our own set-up. */
static const char *advice_for(int code, const char *words)
{
	if (strstr(words, "is sealed"))
		return "unseal it: vault operator unseal";
	if (strstr(words, "namespace not found"))
		return "name a namespace that there is: -o namespace=, VAULT_NAMESPACE";
	if (strstr(words, "wrong version number"))
		return "it speaks http, not https: set the address so, or the server's TLS";
	switch (code) {
	case EHOSTUNREACH:
		return "is the server running, its address right, and no firewall in between?";
	case ETIMEDOUT:
		return "something swallows what is sent there: a firewall, or a hung server";
	case EKEYEXPIRED:
		return "log in anew: vaultfs login";
	case EKEYREJECTED:
		return "get new credentials";
	case EACCES:
		return "somebody who may has to add a policy to the token or its role";
	case EIO:
		return "see the server's own log";
	default:
		return NULL;
	}
}

/* The same of a store of this machine. */
static const char *advice_for_store(int code)
{
	return code == EKEYREJECTED ? "name the key that it was sealed with: -o key=" : NULL;
}

/* "ok", or why not. Returns the exit status. */
static int judge(const struct remote *r, const char *what, int s, const char *fine,
		 const struct err *err)
{
	if (s == 0) {
		tell("ok", what, fine, NULL);
		return EXIT_OK;
	}
	tell("FAIL", what, err_text(err),
	     r->embedded.file ? advice_for_store(-s) : advice_for(-s, err_text(err)));
	return r->local ? EXIT_LOCAL : EXIT_SERVER;
}

static int check_options(struct remote *r)
{
	struct err err = {0};
	int s = credentials_find(&r->creds, &r->conf, &err);
	char text[300];

	if (s == 0)
		s = credentials_fork(&r->creds, NULL, &err);
	r->local = s < 0;
	if (s == 0)
		snprintf(text, sizeof(text), "%s, login by %s", r->conf.address,
			 r->creds.method->name);
	return judge(r, "options", s, text, &err);
}

static bool is_loopback(const char *address)
{
	return strstr(address, "//127.") || strstr(address, "//localhost") ||
	       strstr(address, "//[::1]") || !strncmp(address, "unix:", 5);
}

static int check_server(struct remote *r)
{
	bool namespaces = false, tls = !strncmp(r->conf.address, "https:", 6);
	struct err err = {0};
	int s = remote_open(r, &err);

	if (s == 0)
		s = health_has_namespaces(r->network.vault, remote_limit(r), &namespaces, &err);
	if (s < 0)
		return judge(r, strstr(err_text(&err), "secure connection") ? "tls" : "address", s,
			     "", &err);
	tell("ok", "address", "the server answers", NULL);
	if (tls && r->conf.tls_skip_verify)
		tell("WARN", "tls", "the server's certificate is not checked",
		     "leave tls_skip_verify out, and name its authority by ca_cert=FILE");
	else if (tls)
		tell("ok", "tls", "the server's certificate is good", NULL);
	else if (is_loopback(r->conf.address))
		tell("ok", "tls", "none, and none needed on this machine", NULL);
	else
		tell("WARN", "tls", "the token and all values cross the network in clear text",
		     "use https://");
	return EXIT_OK;
}

static int check_login(struct remote *r)
{
	_cleanup_secret_ struct secret *token = NULL;
	struct token_identity who = {0};
	struct vault_tokens tokens;
	struct err err = {0};
	int s = remote_log_in(r, &err);
	char text[500] = "";

	if (s == 0) {
		tokens = session_tokens(r->session);
		if (tokens.get(tokens.arg, remote_limit(r), &token, &err) == 0)
			token_identify(r->network.vault, token, remote_limit(r), &who, NULL);
		snprintf(text, sizeof(text), "%s; policies: %s", who.name[0] ? who.name : "alive",
			 who.policies[0] ? who.policies : "not told");
	}
	return judge(r, "login", s, text, &err);
}

static int check_engine(struct remote *r, const char *path)
{
	struct err err = {0};
	int s = remote_find_engine(r, path, &err);
	char text[600] = "";

	if (s == 0 && !r->engine.info.version)
		snprintf(text, sizeof(text), "all key-value engines that the token may see");
	else if (s == 0)
		snprintf(text, sizeof(text), "%s is a key-value engine of version %d",
			 r->engine.info.path, r->engine.info.version);
	return judge(r, "engine", s, text, &err);
}

static int check_policy(struct remote *r, const char *path)
{
	static const char *const names[] = {"create", "read", "update", "delete", "list", "patch"};
	const char *inside = r->engine.inside;
	_cleanup_object_ struct kv_list *list = NULL;
	struct err err = {0};
	unsigned rights = 0;
	char text[400] = "";
	size_t n = 0;
	int s;

	s = r->kv->ops->list(r->kv, inside, remote_limit(r), &list, &err);
	if (s == 0)
		n += (size_t)snprintf(text, sizeof(text), "%zu entries below %.200s", list->count,
				      path);
	if (*inside && r->kv->ops->rights(r->kv, inside, remote_limit(r), &rights, NULL) == 0 &&
	    rights) {
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%smay", n ? "; " : "");
		for (size_t i = 0; i < ARRAY_SIZE(names); i++)
			if (rights & (1u << i))
				n += (size_t)snprintf(text + n, sizeof(text) - n, " %s", names[i]);
		s = s == -EACCES ? 0 : s;
	}
	return judge(r, "policy", s, text, &err);
}

static bool on_path(const char *program)
{
	const char *path = getenv("PATH");
	_cleanup_free_ char *dirs = strdup(path ? path : "/usr/bin:/bin");
	char *rest = dirs, *dir;

	while ((dir = strsep(&rest, ":"))) {
		_cleanup_free_ char *file = NULL;

		if (asprintf(&file, "%s/%s", dir, program) >= 0 && access(file, X_OK) == 0)
			return true;
	}
	return false;
}

static int check_fuse(void)
{
	struct stat st;

	if (stat("/dev/fuse", &st) < 0) {
		tell("FAIL", "fuse", "there is no /dev/fuse",
		     "modprobe fuse; in a container: --device /dev/fuse --cap-add SYS_ADMIN");
		return EXIT_LOCAL;
	}
	if (access("/dev/fuse", R_OK | W_OK) < 0) {
		tell("FAIL", "fuse", "/dev/fuse may not be opened",
		     "chmod 666 /dev/fuse, as it is on most machines");
		return EXIT_LOCAL;
	}
	if (!on_path("fusermount3")) {
		tell("FAIL", "fuse", "fusermount3 is not installed", "apt install fuse3");
		return EXIT_LOCAL;
	}
	tell("ok", "fuse", "/dev/fuse and fusermount3 are there", NULL);
	return EXIT_OK;
}

static void check_machine(void)
{
	size_t lockable = memory_raise_lock_limit();
	struct utsname name;
	char text[200];

	uname(&name);
	snprintf(text, sizeof(text), "%s %s %s", name.sysname, name.release, name.machine);
	tell("ok", "kernel", text, NULL);
	if (lockable >= LOCKED_ENOUGH)
		tell("ok", "memory", "all that is needed may be locked", NULL);
	else
		tell("WARN", "memory",
		     "less may be locked than the cache takes: it will be smaller",
		     "raise RLIMIT_MEMLOCK (LimitMEMLOCK= in a unit, limits.conf)");
}

/* "local:FILE" has neither server nor login; all of it is read. */
static int check_store(struct remote *r, const char *source)
{
	struct err err = {0};
	int s = embedded_take(&r->embedded, &r->conf, source, &err);
	char text[1200];

	r->local = true;
	snprintf(text, sizeof(text), "%s, and no server; key=%s", source, r->conf.key);
	if (judge(r, "options", s, text, &err) != EXIT_OK)
		return EXIT_LOCAL;
	s = embedded_open(&r->embedded, &r->conf, false, true, &r->engine, &err);
	r->kv = r->engine.kv;
	if (s == -ENOENT && access(r->embedded.file, F_OK) < 0) {
		tell("ok", "store", "there is none yet: mount makes it", NULL);
		return EXIT_OK;
	}
	return judge(r, "store", s, "it opens with the key, and all in it is whole", &err);
}

static int check_server_and_path(struct remote *r, const char *path)
{
	int status = check_options(r);

	if (status == EXIT_OK)
		status = check_server(r);
	if (status == EXIT_OK)
		status = check_login(r);
	if (status == EXIT_OK)
		status = check_engine(r, path);
	return status == EXIT_OK ? check_policy(r, path) : status;
}

static int check_remote(struct remote *r, const char *word)
{
	_cleanup_place_ struct place place = {0};
	struct err err = {0};
	int s = remote_options(r, &err);
	char path[1024];

	if (s == 0 && word)
		s = place_parse(&place, word, &err);
	r->local = s < 0;
	if (s < 0)
		return judge(r, "options", s, "", &err);
	snprintf(path, sizeof(path), "%s", word ? place.full : r->conf.source);
	for (size_t n = strlen(path); n > 1 && path[n - 1] == '/'; n--)
		path[n - 1] = '\0';
	return local_is_source(path) ? check_store(r, path) : check_server_and_path(r, path);
}

static int doctor(struct remote *r, struct err *err)
{
	int status = check_remote(r, r->flags.words[0]);
	int fuse = check_fuse();

	check_machine();
	return status != EXIT_OK ? status : fuse;
}

static int doctor_run(int argc, char **argv)
{
	return remote_run(&command_doctor, 0, 1, argc, argv, doctor);
}

const struct command command_doctor = {
	.name = "doctor",
	.usage = "[OPTION...] [PATH]",
	.summary = "Checks what a mount needs, and says what to do",
	.help = help_remote,
	.run = doctor_run,
};
