// SPDX-License-Identifier: Apache-2.0
/* What a token may do: with one path, and which paths it can do anything with, to tell a folder that
 * leads somewhere from a name that is refused. Vault and OpenBao give exact rules and prefixes; rules
 * with "+" are among Vault's prefixes, and missing from OpenBao's, so that there a "no" is not
 * certain. */

#include "kv/acl.h"

#include "base/clock.h"

#include <errno.h>
#include <string.h>

#define MEMORY_TIME (60 * NS_PER_SEC)

struct rule {
	const char *path; /* "+" stands for one name */
	bool prefix;	  /* what begins so is allowed too */
};

struct acl {
	struct object object;
	bool root;	/* everything is allowed */
	bool uncertain; /* there may be rules that we were not told */
	size_t count;
	struct rule rules[];
};

static void acl_free(struct object *o)
{
	free(container_of(o, struct acl, object));
}

static bool is_denial(const cJSON *rule)
{
	const cJSON *c = json_get(rule, "capabilities");

	c = c ? c->child : NULL;
	return cJSON_IsString(c) && !strcmp(c->valuestring, "deny");
}

static size_t measure(const cJSON *rules, size_t *bytes)
{
	size_t n = 0;

	for (const cJSON *r = cJSON_IsObject(rules) ? rules->child : NULL; r; r = r->next) {
		*bytes += strlen(r->string) + 1;
		n++;
	}
	return n;
}

/* Where one name is "+", a prefix keeps its "*", and without it is none (vault/policy.go, "don't
 * actually strip the trailing asterisk"). */
static bool has_plus(const char *path)
{
	return !strcmp(path, "+") || !strncmp(path, "+/", 2) || strstr(path, "/+");
}

static void take(struct acl *acl, const cJSON *rules, bool prefix, char **blob)
{
	for (const cJSON *r = cJSON_IsObject(rules) ? rules->child : NULL; r; r = r->next) {
		struct rule *rule = &acl->rules[acl->count];
		size_t len = strlen(r->string);
		char *path = memcpy(*blob, r->string, len + 1);

		if (is_denial(r))
			continue;
		acl->count++;
		*blob += len + 1;
		*rule = (struct rule){.path = path, .prefix = prefix};
		if (!prefix || !has_plus(path))
			continue;
		rule->prefix = len && path[len - 1] == '*';
		if (rule->prefix)
			path[len - 1] = '\0';
	}
}

struct acl *acl_parse(const cJSON *data)
{
	const cJSON *exact = json_get(data, "exact_paths"), *globs = json_get(data, "glob_paths");
	size_t bytes = 0, n = measure(exact, &bytes) + measure(globs, &bytes);
	size_t size = sizeof(struct acl) + n * sizeof(struct rule) + bytes;
	struct acl *acl = calloc(1, size);
	char *blob;

	if (!acl)
		return NULL;
	acl->object = (struct object){.refs = 1, .size = size, .free = acl_free};
	blob = (char *)&acl->rules[n];
	acl->root = json_get_bool(data, "root");
	/* Only Vault has this member; OpenBao leaves rules with "+" out. */
	acl->uncertain = !json_get(data, "chroot_namespace");
	take(acl, exact, false, &blob);
	take(acl, globs, true, &blob);
	return acl;
}

int acl_fetch(struct vault *v, struct limit limit, struct acl **out, struct err *err)
{
	_cleanup_answer_ struct vault_answer answer = {0};
	struct vault_call call = {
		.method = "GET", .path = "sys/internal/ui/resultant-acl", .limit = limit};
	int r = vault_call(v, &call, &answer, err);

	if (r < 0 && r != -EACCES && r != -ENOENT)
		return r;
	*out = acl_parse(r == 0 ? json_get(answer.json, "data") : NULL);
	return *out ? 0 : err_set(err, ENOMEM, "no memory for an answer");
}

void acl_memory_init(struct acl_memory *m)
{
	*m = (struct acl_memory){0};
	pthread_mutex_init(&m->lock, NULL);
}

void acl_memory_fini(struct acl_memory *m)
{
	object_put(m->acl);
	pthread_mutex_destroy(&m->lock);
}

int acl_current(struct acl_memory *m, struct vault *v, struct limit limit, struct acl **out,
		struct err *err)
{
	struct acl *acl;
	int r;

	pthread_mutex_lock(&m->lock);
	*out = clock_mono() < m->until ? object_ref(m->acl) : NULL;
	pthread_mutex_unlock(&m->lock);
	if (*out)
		return 0;
	r = acl_fetch(v, limit, &acl, err);
	if (r < 0)
		return r;
	pthread_mutex_lock(&m->lock);
	object_put(m->acl);
	m->acl = object_ref(acl);
	m->until = clock_mono() + MEMORY_TIME;
	pthread_mutex_unlock(&m->lock);
	*out = acl;
	return 0;
}

/* Whether the rule allows the path, or one below it. */
static bool rule_reaches(const struct rule *rule, const char *path)
{
	const char *r = rule->path;

	while (*path && *r) {
		if (*r == '+' && (r[1] == '/' || !r[1]) && (r == rule->path || r[-1] == '/')) {
			r++;
			path += strcspn(path, "/");
		} else if (*r++ != *path++) {
			return false;
		}
	}
	if (!*path) /* the path ends within the rule: at it, or at a folder above it */
		return !*r || *r == '/' || r == rule->path || r[-1] == '/';
	return rule->prefix;
}

enum kv_reach acl_reach(const struct acl *acl, const char *api_path)
{
	if (acl->root)
		return KV_REACH_YES;
	for (size_t i = 0; i < acl->count; i++)
		if (rule_reaches(&acl->rules[i], api_path))
			return KV_REACH_YES;
	return acl->uncertain ? KV_REACH_UNKNOWN : KV_REACH_NO;
}

static const struct {
	const char *name;
	unsigned rights;
} capabilities[] = {
	{"create", KV_CREATE}, {"read", KV_READ},   {"update", KV_UPDATE}, {"delete", KV_DELETE},
	{"list", KV_LIST},     {"patch", KV_PATCH}, {"root", ~0u},
};

static unsigned rights_of(const cJSON *list)
{
	unsigned rights = 0;

	for (const cJSON *c = list ? list->child : NULL; c; c = c->next)
		for (size_t i = 0; i < ARRAY_SIZE(capabilities); i++)
			if (cJSON_IsString(c) && !strcmp(c->valuestring, capabilities[i].name))
				rights |= capabilities[i].rights;
	return rights;
}

int acl_rights(struct vault *v, const char *api_path, struct limit limit, unsigned *rights,
	       struct err *err)
{
	_cleanup_json_ cJSON *body = cJSON_CreateObject();
	_cleanup_answer_ struct vault_answer answer = {0};
	cJSON *paths = cJSON_AddArrayToObject(body, "paths");
	struct vault_call call = {.method = "POST",
				  .path = "sys/capabilities-self",
				  .body = body,
				  .harmless = true,
				  .limit = limit};
	const cJSON *list;
	int r;

	if (!paths || !cJSON_AddItemToArray(paths, json_new_string(api_path, strlen(api_path))))
		return err_set(err, ENOMEM, "no memory for a request");
	r = vault_call(v, &call, &answer, err);
	if (r == -EACCES) {
		*rights = ~0u;
		return 0;
	}
	if (r < 0)
		return r;
	list = json_get(json_get(answer.json, "data"), api_path);
	if (!cJSON_IsArray(list))
		return err_set(err, EIO, "the answer from %s makes no sense: no capabilities",
			       vault_address(v));
	*rights = rights_of(list);
	return 0;
}
