// SPDX-License-Identifier: Apache-2.0
/* vaultfs setup: prepares a server for an application, so that its mounts can log in. An
 * administrator runs it.
 *
 *      audit     with --audit: a device, and the headers that match its lines to a mount's
 *      namespace with --namespace
 *      engine    KV version 2, if there is none
 *      policies  two for each environment, to read and to write
 *      approle   the login method, and a role for each environment
 *      ids       of the role, and a wrapped secret id, which is new each time; or with --token,
 *                instead of method, role and ids, a token
 *
 * Whatever is as it should be is left alone, so the command can be run again. */

#include "cmd/admin/admin_commands.h"

#include "base/visible.h"
#include "cli/help.h"
#include "cli/print.h"
#include "remote/remote.h"
#include "cmd/admin/policy.h"
#include "cmd/admin/setup.h"
#include "vault/mounts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ENVIRONMENTS "development,staging,production"
#define WRAP_TTL     "1h"
#define PERIOD	     "168h"
#define TTL	     3600
#define MAX_TTL	     (4 * 3600)
#define NAME_MAX_LEN 100

enum { APP, MOUNT, ENV, WRITE, TOKEN, NAMESPACE, AUDIT, DRY_RUN, PRINT_POLICIES };

static const struct flag flags[] = {
	{0, "app", "NAME", "the application's name; its secrets are in MOUNT/NAME/ENV"},
	{0, "mount", "PATH", "the engine [secret]"},
	{0, "env", "NAME,...", "environments [" ENVIRONMENTS "]"},
	{0, "write", NULL, "its roles may write too"},
	{0, "token", NULL, "orphan tokens that live while they are renewed, in place of AppRoles"},
	{0, "namespace", "N", "do all of it in the namespace N, which is made if it is not there"},
	{0, "audit", "FILE",
	 "an audit device: FILE at the server; with the headers of mounts in it"},
	{0, "dry-run", NULL, "print the API calls, and make none"},
	{0, "print-policies", NULL, "print the policies, and nothing else"},
	{0},
};

static int make_engine(struct setup *x, struct err *err)
{
	_cleanup_json_ cJSON *body = setup_object("type", "kv"),
			     *options = setup_object("version", "2");
	_cleanup_free_ char *path = NULL;
	struct mount_info info;
	int s = x->dry ? -ENOENT : mounts_find(x->vault, x->engine, remote_limit(x->r), &info, err);

	if (s == 0 && !strcmp(info.path, x->engine) && info.version == 2) {
		visible_print(stdout, "engine %s: is there\n", x->engine);
		return 0;
	}
	if (s == 0)
		return err_set(err, EOPNOTSUPP,
			       "%s is an engine of type %s%s: KV version 2 is needed", info.path,
			       info.type, info.version == 1 ? ", version 1" : "");
	if (s != -ENOENT)
		return s;
	if (!body || !options || !cJSON_AddItemToObject(body, "options", options) ||
	    asprintf(&path, "sys/mounts/%s", x->engine) < 0)
		return setup_no_memory(err);
	steal(options);
	s = setup_change(x, "POST", path, body, "unless it is there", err);
	if (s == 0 && !x->dry)
		visible_print(stdout, "engine %s: made\n", x->engine);
	return s;
}

static int make_policy(struct setup *x, enum policy_kind kind, struct err *err)
{
	const char *what = kind == POLICY_READ ? "read" : "write";
	_cleanup_json_ cJSON *now = NULL, *body = NULL;
	_cleanup_free_ char *path = NULL;
	_cleanup_buf_ struct buf text = {0};
	const char *there;
	int s;

	policy_print(kind, x->engine, x->path, &text);
	if (buf_status(&text) < 0 || asprintf(&path, "sys/policies/acl/%s-%s", x->role, what) < 0)
		return setup_no_memory(err);
	s = x->dry ? -ENOENT : setup_call(x, "GET", path, NULL, NULL, &now, err);
	if (s < 0 && s != -ENOENT)
		return s;
	there = s == 0 ? json_get_str(json_get(now, "data"), "policy") : NULL;
	if (!there || strcmp(there, text.data) != 0) {
		body = setup_object("policy", text.data);
		s = setup_change(x, "PUT", path, body, "", err);
	}
	if (s == 0 && !x->dry)
		visible_print(stdout, "policy %s-%s: %s\n", x->role, what,
			      !body   ? "is there"
			      : there ? "replaced"
				      : "made");
	return s;
}

static int make_method(struct setup *x, struct err *err)
{
	_cleanup_json_ cJSON *body = setup_object("type", "approle"), *now = NULL;
	int s = x->dry ? 0 : setup_call(x, "GET", "sys/auth", NULL, NULL, &now, err);

	if (s < 0)
		return s;
	if (json_get(json_get(now, "data"), "approle/") || json_get(now, "approle/")) {
		printf("login method approle: is there\n");
		return 0;
	}
	s = setup_change(x, "POST", "sys/auth/approle", body, "unless it is there", err);
	if (s == 0 && !x->dry)
		printf("login method approle: made\n");
	return s;
}

static bool role_is(const cJSON *data, const char *policy)
{
	const cJSON *policies = json_get(data, "token_policies");
	const cJSON *first = policies ? policies->child : NULL;

	return json_get_int(data, "token_ttl", 0) == TTL &&
	       json_get_int(data, "token_max_ttl", 0) == MAX_TTL && cJSON_IsString(first) &&
	       !first->next && !strcmp(first->valuestring, policy);
}

static int make_role(struct setup *x, struct err *err)
{
	_cleanup_json_ cJSON *now = NULL, *body = NULL;
	_cleanup_free_ char *path = NULL, *policy = NULL;
	int s;

	if (asprintf(&path, "auth/approle/role/%s", x->role) < 0 ||
	    asprintf(&policy, "%s-%s", x->role, x->r->flags.value[WRITE] ? "write" : "read") < 0)
		return setup_no_memory(err);
	s = x->dry ? -ENOENT : setup_call(x, "GET", path, NULL, NULL, &now, err);
	if (s < 0 && s != -ENOENT)
		return s;
	if (s == 0 && role_is(json_get(now, "data"), policy)) {
		visible_print(stdout, "role %s: is there\n", x->role);
		return 0;
	}
	body = setup_object("token_policies", policy);
	if (!body || json_add(body, "token_ttl", 9, json_new_string("1h", 2)) < 0 ||
	    json_add(body, "token_max_ttl", 13, json_new_string("4h", 2)) < 0)
		return setup_no_memory(err);
	s = setup_change(x, "POST", path, body, "", err);
	if (s == 0 && !x->dry)
		visible_print(stdout, "role %s: %s\n", x->role, now ? "changed" : "made");
	return s;
}

/* Can be pasted into a shell; no name has a quote in it. */
static void print_server(const struct setup *x)
{
	visible_print(stdout, "VAULT_ADDR=%s ", vault_address(x->vault));
	if (x->namespace)
		visible_print(stdout, "VAULT_NAMESPACE=%s ", x->namespace);
}

static void print_command(const struct setup *x, const char *role_id, const char *secret_id)
{
	visible_print(stdout,
		      "\n%s/%s\n  role id    %s\n  secret id  %s\n"
		      "             (wrapped: it can be taken out once, within %s)\n  mount      ",
		      x->engine, x->path, role_id, secret_id, WRAP_TTL);
	print_server(x);
	visible_print(
		stdout,
		"VAULT_ROLE_ID=%s VAULT_SECRET_ID=%s \\\n"
		"             vaultfs mount -o %sauth=approle,role=%s,secret_id_wrapped=yes %s/%s "
		"DIR\n",
		role_id, secret_id, x->r->flags.value[WRITE] ? "" : "ro,", x->role, x->engine,
		x->path);
}

static int hand_out(struct setup *x, struct err *err)
{
	_cleanup_json_ cJSON *id = NULL, *secret = NULL, *none = cJSON_CreateObject();
	_cleanup_free_ char *id_path = NULL, *secret_path = NULL;
	const char *role_id, *secret_id;
	int s;

	if (!none || asprintf(&id_path, "auth/approle/role/%s/role-id", x->role) < 0 ||
	    asprintf(&secret_path, "auth/approle/role/%s/secret-id", x->role) < 0)
		return setup_no_memory(err);
	if (x->dry) {
		setup_tell(x, "GET", id_path, NULL, "");
		return setup_tell(x, "POST", secret_path, none, "wrapped for " WRAP_TTL);
	}
	s = setup_call(x, "GET", id_path, NULL, NULL, &id, err);
	if (s == 0)
		s = setup_call(x, "POST", secret_path, none, WRAP_TTL, &secret, err);
	if (s < 0)
		return s;
	role_id = json_get_str(json_get(id, "data"), "role_id");
	secret_id = json_get_str(json_get(secret, "wrap_info"), "token");
	if (!role_id || !secret_id)
		return err_set(err, EIO, "the answer from %s makes no sense: there is no id in it",
			       vault_address(x->vault));
	print_command(x, role_id, secret_id);
	return 0;
}

static cJSON *token_body(const struct setup *x)
{
	_cleanup_free_ char *policy = NULL;
	_cleanup_json_ cJSON *body = setup_object("period", PERIOD),
			     *policies = cJSON_CreateArray();
	bool writes = x->r->flags.value[WRITE] != NULL;

	if (!body || !policies ||
	    asprintf(&policy, "%s-%s", x->role, writes ? "write" : "read") < 0 ||
	    !cJSON_AddItemToArray(policies, json_new_string(policy, strlen(policy))) ||
	    json_add(body, "display_name", 12, json_new_string(x->role, strlen(x->role))) < 0 ||
	    !cJSON_AddItemToObject(body, "policies", policies))
		return NULL;
	steal(policies);
	return steal(body);
}

/* An orphan: it outlives the administrator's token. */
static int hand_out_token(struct setup *x, struct err *err)
{
	_cleanup_json_ cJSON *body = token_body(x), *answer = NULL;
	static const char path[] = "auth/token/create-orphan";
	const char *token;
	int s;

	if (!body)
		return setup_no_memory(err);
	if (x->dry)
		return setup_tell(x, "POST", path, body, "");
	s = setup_call(x, "POST", path, body, NULL, &answer, err);
	if (s < 0)
		return s;
	token = json_get_str(json_get(answer, "auth"), "client_token");
	if (!token)
		return err_set(err, EIO,
			       "the answer from %s makes no sense: there is no token in it",
			       vault_address(x->vault));
	visible_print(stdout,
		      "\n%s/%s\n  token      %s\n"
		      "             (into a FILE of mode 0600; it lives while a mount renews it, "
		      "at least "
		      "every " PERIOD ")\n  mount      ",
		      x->engine, x->path, token);
	print_server(x);
	visible_print(stdout,
		      "\\\n             vaultfs mount -o %sauth=token,token_file=FILE %s/%s DIR\n",
		      x->r->flags.value[WRITE] ? "" : "ro,", x->engine, x->path);
	return 0;
}

/* Calls `step` for each environment. */
static int each(struct setup *x, int (*step)(struct setup *x, struct err *err), struct err *err)
{
	_cleanup_free_ char *names = strdup(x->environments);
	char *rest = names, *name;
	int s = names ? 0 : setup_no_memory(err);

	while (s == 0 && (name = strsep(&rest, ","))) {
		_cleanup_free_ char *path = NULL, *role = NULL;

		if (asprintf(&path, "%s/%s", x->app, name) < 0 ||
		    asprintf(&role, "%s-%s", x->app, name) < 0)
			return setup_no_memory(err);
		x->path = path;
		x->role = role;
		s = step(x, err);
	}
	return s;
}

static int make_policies(struct setup *x, struct err *err)
{
	int s = make_policy(x, POLICY_READ, err);

	return s < 0 ? s : make_policy(x, POLICY_WRITE, err);
}

static int print_policies(struct setup *x, struct err *err)
{
	_cleanup_buf_ struct buf text = {0};

	buf_printf(&text, "# %s-read\n", x->role);
	policy_print(POLICY_READ, x->engine, x->path, &text);
	buf_printf(&text, "\n# %s-write\n", x->role);
	policy_print(POLICY_WRITE, x->engine, x->path, &text);
	buf_add_str(&text, "\n");
	return print_buf(&text);
}

/* Names become parts of policies' names, which the server converts to lower case. */
static bool is_name(const char *s, size_t len, const char *more)
{
	if (!len || len > NAME_MAX_LEN || !strchr("abcdefghijklmnopqrstuvwxyz0123456789", *s))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789-_", s[i]) && !strchr(more, s[i]))
			return false;
	return s[len - 1] != '/';
}

/* Refuses dashes: the role "a-b-c" could belong to "a" or to "a-b", and one would get the other's
 * policies. */
static int check_environments(struct setup *x, const char *env, struct err *err)
{
	for (const char *p = env;; p += strcspn(p, ",") + 1) {
		size_t len = strcspn(p, ",");

		if (!is_name(p, len, ""))
			return remote_wrong(x->r, err, "--env %s: names, with commas between them",
					    env);
		if (memchr(p, '-', len))
			return remote_wrong(x->r, err,
					    "--env %s: no - in the name of an environment: with "
					    "--app's it makes the name of the role",
					    env);
		for (const char *q = env; q < p; q += strcspn(q, ",") + 1)
			if (strcspn(q, ",") == len && !strncmp(q, p, len))
				return remote_wrong(x->r, err, "--env %s: %.*s is there twice", env,
						    (int)len, p);
		if (!p[len])
			return 0;
	}
}

static int check_server(struct setup *x, struct err *err)
{
	const char *file = x->r->flags.value[AUDIT], *namespace = x->r->flags.value[NAMESPACE];

	if (file && *file != '/' && strcmp(file, "stdout") != 0)
		return remote_wrong(x->r, err,
				    "--audit %s: the name of a file at the server begins with /",
				    file);
	if (namespace && !is_name(namespace, strlen(namespace), "/ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
		return remote_wrong(x->r, err,
				    "--namespace %s: a name has letters, 0 to 9, - and _",
				    namespace);
	return 0;
}

static int read_arguments(struct setup *x, struct err *err)
{
	const struct flags *f = &x->r->flags;
	const char *env = f->value[ENV] ? f->value[ENV] : ENVIRONMENTS;
	int s;

	x->app = f->value[APP];
	x->engine = strdup(f->value[MOUNT] ? f->value[MOUNT] : "secret");
	if (!x->engine)
		return setup_no_memory(err);
	for (size_t n = strlen(x->engine); n > 1 && x->engine[n - 1] == '/'; n--)
		x->engine[n - 1] = '\0';
	x->dry = f->value[DRY_RUN] != NULL;
	if (!x->app)
		return remote_wrong(x->r, err, "--app NAME is missing");
	if (!is_name(x->app, strlen(x->app), ""))
		return remote_wrong(x->r, err, "--app %s: a name has a to z, 0 to 9, - and _",
				    x->app);
	if (!is_name(x->engine, strlen(x->engine), "/.ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
		return remote_wrong(x->r, err, "--mount %s is no path of an engine", x->engine);
	s = check_environments(x, env, err);
	if (s == 0)
		s = check_server(x, err);
	if (s < 0)
		return s;
	x->environments = strdup(env);
	return x->environments ? 0 : setup_no_memory(err);
}

static int log_in(struct setup *x, struct err *err)
{
	int s = x->dry ? 0 : remote_configure(x->r, err);

	if (s == 0 && !x->dry)
		s = remote_open(x->r, err);
	if (s < 0 || x->dry)
		return s;
	x->vault = x->r->network.vault;
	if (x->r->conf.server_namespace) {
		x->namespace = strdup(x->r->conf.server_namespace);
		if (!x->namespace)
			return setup_no_memory(err);
	}
	return remote_log_in(x->r, err);
}

static int steps(struct setup *x, struct err *err)
{
	int s = read_arguments(x, err);

	if (s < 0 || x->r->flags.value[PRINT_POLICIES])
		return s < 0 ? s : each(x, print_policies, err);
	s = log_in(x, err);
	if (s == 0 && x->r->flags.value[AUDIT])
		s = setup_audit(x, x->r->flags.value[AUDIT], err);
	if (s == 0)
		s = setup_namespace(x, x->r->flags.value[NAMESPACE], err);
	if (s == 0)
		s = make_engine(x, err);
	if (s == 0)
		s = each(x, make_policies, err);
	if (s < 0 || x->r->flags.value[TOKEN])
		return s < 0 ? s : each(x, hand_out_token, err);
	s = make_method(x, err);
	if (s == 0)
		s = each(x, make_role, err);
	return s < 0 ? s : each(x, hand_out, err);
}

static int setup(struct remote *r, struct err *err)
{
	struct setup x = {.r = r};
	int s = steps(&x, err);

	setup_fini(&x);
	return s;
}

static int setup_run(int argc, char **argv)
{
	return remote_run(&command_setup, 0, 0, argc, argv, setup);
}

static void help(void)
{
	printf("\n  -c FILE                  as for mount\n"
	       "  -o OPT,...               as for mount (vaultfs mount --help)\n");
}

const struct command command_setup = {
	.name = "setup",
	.usage = "--app NAME [OPTION...]",
	.summary = "Prepares a server for an application: engine, policies, roles",
	.help = help,
	.flags = flags,
	.run = setup_run,
};
