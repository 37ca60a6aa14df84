// SPDX-License-Identifier: Apache-2.0
/* The calls of `vaultfs setup`, made or printed; and its changes to a server as a whole. */

#include "cmd/admin/setup.h"

#include "base/visible.h"
#include "vault/health.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define DEVICE "vaultfs"

int setup_no_memory(struct err *err)
{
	return err_set(err, ENOMEM, "no memory");
}

int setup_call(struct setup *x, const char *method, const char *path, const cJSON *body,
	       const char *wrap_ttl, cJSON **out, struct err *err)
{
	_cleanup_answer_ struct vault_answer answer = {0};
	struct vault_call c = {.method = method,
			       .path = path,
			       .body = body,
			       .wrap_ttl = wrap_ttl,
			       .plain = x->whole,
			       .limit = remote_limit(x->r)};
	int s = vault_call(x->vault, &c, &answer, err);

	if (s < 0)
		return s;
	if (out)
		*out = steal(answer.json);
	return 0;
}

int setup_tell(const struct setup *x, const char *method, const char *path, const cJSON *body,
	       const char *note)
{
	_cleanup_buf_ struct buf text = {0};

	if (body && json_print(body, false, &text) < 0)
		return -ENOMEM;
	visible_print(stdout, "%s /v1/%s%s%s%s%s%s%s\n", method, x->namespace ? x->namespace : "",
		      x->namespace ? "/" : "", path, body ? " " : "", body ? text.data : "",
		      *note ? "    # " : "", note);
	return 0;
}

int setup_change(struct setup *x, const char *method, const char *path, const cJSON *body,
		 const char *note, struct err *err)
{
	if (!body)
		return setup_no_memory(err);
	return x->dry ? setup_tell(x, method, path, body, note)
		      : setup_call(x, method, path, body, NULL, NULL, err);
}

cJSON *setup_object(const char *name, const char *text)
{
	cJSON *o = cJSON_CreateObject();

	if (o && json_add(o, name, strlen(name), json_new_string(text, strlen(text))) == 0)
		return o;
	cJSON_Delete(o);
	return NULL;
}

void setup_fini(struct setup *x)
{
	vault_free(x->own);
	free(x->namespace);
	free(x->environments);
	free(x->engine);
}

/* Makes all further calls in the namespace `name` below the present one. */
static int enter(struct setup *x, const char *name, struct err *err)
{
	struct network *n = &x->r->network;
	struct vault_tokens tokens;
	struct vault *inside;
	char *full = NULL;

	if (asprintf(&full, "%s%s%s", x->namespace ? x->namespace : "", x->namespace ? "/" : "",
		     name) < 0)
		return setup_no_memory(err);
	free(x->namespace);
	x->namespace = full;
	if (x->dry)
		return 0;
	inside = vault_new(n->servers, &n->budget, full, (unsigned)x->r->conf.max_retries, err);
	if (!inside)
		return -err->code;
	tokens = session_tokens(x->r->session);
	vault_set_tokens(inside, &tokens);
	vault_free(x->own);
	x->vault = x->own = inside;
	return 0;
}

static int make_namespace(struct setup *x, const char *name, struct err *err)
{
	_cleanup_json_ cJSON *now = NULL, *none = cJSON_CreateObject();
	_cleanup_free_ char *path = NULL;
	int s;

	if (asprintf(&path, "sys/namespaces/%s", name) < 0)
		return setup_no_memory(err);
	s = x->dry ? -ENOENT : setup_call(x, "GET", path, NULL, NULL, &now, err);
	if (s == 0) {
		visible_print(stdout, "namespace %s: is there\n", name);
		return 0;
	}
	if (s != -ENOENT)
		return s;
	s = setup_change(x, "POST", path, none, "unless it is there", err);
	if (s == 0 && !x->dry)
		visible_print(stdout, "namespace %s: made\n", name);
	return s;
}

/* Vault's community edition would answer 404, or make the changes outside of any namespace. */
static int check_namespaces(struct setup *x, struct err *err)
{
	bool has = false;
	int s = x->dry ? 0 : health_has_namespaces(x->vault, remote_limit(x->r), &has, err);

	if (s < 0 || has || x->dry)
		return s;
	return err_set(err, EOPNOTSUPP,
		       "--namespace: %s has no namespaces (it is Vault's community edition)",
		       vault_address(x->vault));
}

int setup_namespace(struct setup *x, const char *name, struct err *err)
{
	_cleanup_free_ char *names = name ? strdup(name) : NULL;
	char *rest = names, *part;
	int s;

	if (!name)
		return 0;
	s = names ? check_namespaces(x, err) : setup_no_memory(err);
	while (s == 0 && (part = strsep(&rest, "/"))) {
		if (!*part)
			continue;
		s = make_namespace(x, part, err);
		if (s == 0)
			s = enter(x, part, err);
	}
	return s;
}

/* Audits the headers that mounts send, so that the server's lines can be matched to theirs. */
static int make_headers(struct setup *x, struct err *err)
{
	static const char *const names[] = {"User-Agent", "X-Correlation-Id", "X-Vaultfs-Caller"};
	_cleanup_json_ cJSON *clear = cJSON_CreateObject();
	int s = 0;

	if (!clear || !cJSON_AddFalseToObject(clear, "hmac"))
		return setup_no_memory(err);
	for (size_t i = 0; s == 0 && i < ARRAY_SIZE(names); i++) {
		_cleanup_json_ cJSON *now = NULL;
		_cleanup_free_ char *path = NULL;

		if (asprintf(&path, "sys/config/auditing/request-headers/%s", names[i]) < 0)
			return setup_no_memory(err);
		s = x->dry ? -ENOENT : setup_call(x, "GET", path, NULL, NULL, &now, err);
		if (s == 0)
			printf("audited header %s: is there\n", names[i]);
		/* For a header that is not there Vault answers 400. */
		if (s != -ENOENT && s != -EINVAL)
			continue;
		s = setup_change(x, "PUT", path, clear, "", err);
		if (s == 0 && !x->dry)
			printf("audited header %s: made\n", names[i]);
	}
	return s;
}

static cJSON *device_body(const char *file)
{
	_cleanup_json_ cJSON *body = setup_object("type", "file"),
			     *options = setup_object("file_path", file);

	if (!body || !options || !cJSON_AddItemToObject(body, "options", options))
		return NULL;
	steal(options);
	return steal(body);
}

/* Whether the device exists and writes that file. -EEXIST: it writes another one. */
static int find_device(struct setup *x, const char *file, bool *there, struct err *err)
{
	_cleanup_json_ cJSON *now = NULL;
	const cJSON *device;
	const char *its;
	int s = x->dry ? 0 : setup_call(x, "GET", "sys/audit", NULL, NULL, &now, err);

	device = json_get(json_get(now, "data"), DEVICE "/");
	its = json_get_str(json_get(device, "options"), "file_path");
	*there = device != NULL;
	if (s < 0 || !device || (its && !strcmp(its, file)))
		return s;
	return err_set(err, EEXIST, "the audit device " DEVICE " is there, and writes %s",
		       its ? its : "no file");
}

static int make_audit(struct setup *x, const char *file, struct err *err)
{
	_cleanup_json_ cJSON *body = device_body(file);
	bool there = false;
	int s = make_headers(x, err);

	if (s == 0)
		s = find_device(x, file, &there, err);
	if (s < 0)
		return s;
	if (there) {
		printf("audit device " DEVICE ": is there\n");
		return 0;
	}
	s = setup_change(x, "PUT", "sys/audit/" DEVICE, body, "", err);
	if (s < 0)
		return err_prefix(err,
				  "no audit device (OpenBao takes one from its configuration "
				  "alone: audit "
				  "\"file\" \"" DEVICE "\" { options { file_path = \"%s\" } })",
				  file),
		       s;
	if (!x->dry)
		visible_print(stdout, "audit device " DEVICE ": made, and writes %s\n", file);
	return 0;
}

int setup_audit(struct setup *x, const char *file, struct err *err)
{
	int s;

	x->whole = true;
	s = make_audit(x, file, err);
	x->whole = false;
	return s;
}
