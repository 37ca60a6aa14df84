// SPDX-License-Identifier: Apache-2.0
/* The rights of a token: to one path, and which paths it can use at all, to distinguish a folder
 * that leads somewhere from a refused name. Vault and OpenBao return exact rules and prefixes.
 * Rules with "+" are among Vault's prefixes, and missing from OpenBao's, so that a "no" is not
 * certain there. */

#include "kv/acl.h"

#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MEMORY_TIME (60 * NS_PER_SEC)

struct rule {
	const char *path; /* "+" stands for one name */
	bool prefix;	  /* also holds for longer paths */
	unsigned rights;  /* 0: it denies */
};

struct acl {
	struct object object;
	bool root;	/* everything is allowed */
	bool unknown;	/* the server told us nothing: just try */
	bool uncertain; /* there may be further rules */
	size_t count;
	struct rule rules[];
};

static void acl_free(struct object *o)
{
	free(container_of(o, struct acl, object));
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

static size_t measure(const cJSON *rules, size_t *bytes)
{
	size_t n = 0;

	for (const cJSON *r = cJSON_IsObject(rules) ? rules->child : NULL; r; r = r->next) {
		*bytes += strlen(r->string) + 1;
		n++;
	}
	return n;
}

/* In a rule with "+", a prefix keeps its "*", and a rule without "*" is no prefix (vault/policy.go,
 * "don't actually strip the trailing asterisk"). */
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

		acl->count++;
		*blob += len + 1;
		*rule = (struct rule){.path = path,
				      .prefix = prefix,
				      .rights = rights_of(json_get(r, "capabilities"))};
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
	acl->unknown = !data;
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
	lock_init(&m->lock, LOCK_ACL);
}

void acl_memory_fini(struct acl_memory *m)
{
	object_put(m->acl);
	lock_fini(&m->lock);
}

int acl_current(struct acl_memory *m, struct vault *v, struct limit limit, struct acl **out,
		struct err *err)
{
	struct acl *acl;
	int r;

	lock_acquire(&m->lock);
	*out = clock_mono() < m->until ? object_ref(m->acl) : NULL;
	lock_release(&m->lock);
	if (*out)
		return 0;
	r = acl_fetch(v, limit, &acl, err);
	if (r < 0)
		return r;
	lock_acquire(&m->lock);
	object_put(m->acl);
	m->acl = object_ref(acl);
	m->until = clock_mono() + MEMORY_TIME;
	lock_release(&m->lock);
	*out = acl;
	return 0;
}

/* Follows a path as long as the rule matches; a "+" matches any one name. False at a difference;
 * else *path and *rest become the rests of both. */
static bool rule_follow(const struct rule *rule, const char **path, const char **rest)
{
	const char *r = rule->path, *p = *path;

	while (*p && *r) {
		if (*r == '+' && (r[1] == '/' || !r[1]) && (r == rule->path || r[-1] == '/')) {
			r++;
			p += strcspn(p, "/");
		} else if (*r++ != *p++) {
			return false;
		}
	}
	*path = p;
	*rest = r;
	return true;
}

/* Whether the rule allows the path, or one below it. */
static bool rule_reaches(const struct rule *rule, const char *path)
{
	const char *r;

	if (!rule_follow(rule, &path, &r))
		return false;
	if (!*path) /* the path ends within the rule: at it, or at a folder above it */
		return !*r || *r == '/' || r == rule->path || r[-1] == '/';
	return rule->prefix;
}

/* Whether the rule covers that very path. */
static bool rule_covers(const struct rule *rule, const char *path)
{
	const char *r;

	return rule_follow(rule, &path, &r) && !*r && (!*path || rule->prefix);
}

/* The rule that wins among those without "+": the exact one, or the longest prefix. NULL: none. */
static const struct rule *plain_rule(const struct acl *acl, const char *path)
{
	const struct rule *best = NULL;

	for (size_t i = 0; i < acl->count; i++) {
		const struct rule *rule = &acl->rules[i];

		if (has_plus(rule->path) || !rule_covers(rule, path))
			continue;
		if (!rule->prefix)
			return rule;
		if (!best || strlen(rule->path) > strlen(best->path))
			best = rule;
	}
	return best;
}

static enum kv_reach acl_may(const struct acl *acl, const char *path, unsigned any)
{
	const struct rule *plain = plain_rule(acl, path);
	bool granted = plain && (plain->rights & any), refused = plain && !granted;

	if (acl->root || acl->unknown)
		return KV_REACH_YES;
	/* If several rules with "+" differ, only the server knows which one wins. */
	for (size_t i = 0; (!plain || plain->prefix) && i < acl->count; i++) {
		const struct rule *rule = &acl->rules[i];

		if (!has_plus(rule->path) || !rule_covers(rule, path))
			continue;
		granted |= (rule->rights & any) != 0;
		refused |= !(rule->rights & any);
	}
	if (granted)
		return refused ? KV_REACH_UNKNOWN : KV_REACH_YES;
	if (plain && !plain->prefix) /* an exact rule overrides all others */
		return KV_REACH_NO;
	return acl->uncertain ? KV_REACH_UNKNOWN : KV_REACH_NO;
}

bool acl_tells(const struct acl *acl, const char *api_path, unsigned *rights)
{
	const struct rule *plain = plain_rule(acl, api_path);

	*rights = 0;
	if (acl->unknown)
		return false;
	/* A rule that we do not know may override a prefix. */
	if (acl->uncertain && !acl->root && !(plain && !plain->prefix))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(capabilities); i++) {
		unsigned right = capabilities[i].rights;
		enum kv_reach may = right == ~0u ? KV_REACH_NO : acl_may(acl, api_path, right);

		if (may == KV_REACH_UNKNOWN)
			return false;
		*rights |= may == KV_REACH_YES ? right : 0;
	}
	return true;
}

enum kv_reach acl_may_write(const struct acl *acl, const char *api_path, unsigned any, bool below)
{
	enum kv_reach own = acl_may(acl, api_path, any), child;
	_cleanup_free_ char *probe = NULL;

	if (!below || own == KV_REACH_YES)
		return own;
	if (asprintf(&probe, "%s/" ACL_PROBE, api_path) < 0)
		return KV_REACH_UNKNOWN;
	child = acl_may(acl, probe, any);
	for (size_t i = 0; child != KV_REACH_YES && i < acl->count; i++)
		if ((acl->rules[i].rights & any) && rule_reaches(&acl->rules[i], api_path) &&
		    !rule_covers(&acl->rules[i], probe))
			child = KV_REACH_YES; /* it covers something further below */
	if (own == KV_REACH_NO || child == KV_REACH_YES)
		return child;
	return KV_REACH_UNKNOWN;
}

enum kv_reach acl_reach(const struct acl *acl, const char *api_path)
{
	const struct rule *plain;

	if (acl->root)
		return KV_REACH_YES;
	for (size_t i = 0; i < acl->count; i++)
		if (acl->rules[i].rights && rule_reaches(&acl->rules[i], api_path))
			return KV_REACH_YES;
	plain = plain_rule(acl, api_path);
	return acl->uncertain && !(plain && !plain->rights) ? KV_REACH_UNKNOWN : KV_REACH_NO;
}

/* The rest of the rule below the folder; NULL if the rule is about something else. */
static const char *rest_below(const struct rule *rule, const char *folder)
{
	const char *r = rule->path;

	while (*folder) {
		if (*r == '+' && (r[1] == '/' || !r[1]) && (r == rule->path || r[-1] == '/')) {
			r++;
			folder += strcspn(folder, "/");
		} else if (!*r || *r++ != *folder++) {
			return NULL;
		}
	}
	return *r == '/' ? r + 1 : NULL;
}

static int add_names_below(const struct acl *acl, const char *folder, cJSON *names)
{
	for (size_t i = 0; i < acl->count; i++) {
		const struct rule *rule = &acl->rules[i];
		const char *rest = rule->rights ? rest_below(rule, folder) : NULL;
		size_t len = rest ? strcspn(rest, "/") : 0;

		/* The last name of a prefix may continue, and "+" is no name. */
		if (!len || (len == 1 && *rest == '+') || (rule->prefix && !rest[len]))
			continue;
		if (!cJSON_AddItemToArray(names, json_new_string(rest, len)))
			return -ENOMEM;
	}
	return 0;
}

/* Lists each name as both a secret and a folder: we do not know which it is. */
struct kv_list *acl_named(const struct acl *acl, const char *const *folders, size_t n)
{
	_cleanup_json_ cJSON *names = cJSON_CreateArray();
	struct kv_list *list = NULL;

	for (size_t i = 0; i < n; i++)
		if (!names || !folders[i] || add_names_below(acl, folders[i], names) < 0)
			return NULL;
	return kv_list_parse(names, &list) < 0 ? NULL : list;
}

struct acl *acl_remembered(struct acl_memory *m)
{
	LOCK_SCOPE(&m->lock);

	return object_ref(m->acl);
}

int acl_rights_many(struct vault *v, const char *const *api_paths, size_t n, struct limit limit,
		    unsigned *rights, struct err *err)
{
	_cleanup_json_ cJSON *body = cJSON_CreateObject();
	_cleanup_answer_ struct vault_answer answer = {0};
	cJSON *paths = cJSON_AddArrayToObject(body, "paths");
	struct vault_call call = {.method = "POST",
				  .path = "sys/capabilities-self",
				  .body = body,
				  .harmless = true,
				  .limit = limit};
	int r;

	for (size_t i = 0; i < n; i++) {
		rights[i] = ~0u;
		if (!paths || !cJSON_AddItemToArray(
				      paths, json_new_string(api_paths[i], strlen(api_paths[i]))))
			return err_set(err, ENOMEM, "no memory for a request");
	}
	r = vault_call(v, &call, &answer, err);
	if (r < 0)
		return r == -EACCES ? 0 : r;
	for (size_t i = 0; i < n; i++) {
		const cJSON *list = json_get(json_get(answer.json, "data"), api_paths[i]);

		if (!cJSON_IsArray(list))
			return err_set(err, EIO,
				       "the answer from %s makes no sense: no capabilities",
				       vault_address(v));
		rights[i] = rights_of(list);
	}
	return 0;
}

int acl_rights(struct acl_memory *m, struct vault *v, const char *api_path, struct limit limit,
	       unsigned *rights, struct err *err)
{
	_cleanup_object_ struct acl *acl = NULL;
	int r = acl_current(m, v, limit, &acl, err);

	if (r < 0 || acl_tells(acl, api_path, rights))
		return r;
	return acl_rights_many(v, &api_path, 1, limit, rights, err);
}

int acl_rights_in(struct vault *v, const char *folder, const char *const *names, size_t n,
		  struct limit limit, unsigned *own, unsigned *below, struct err *err)
{
	char **paths = calloc(2 * n + 1, sizeof(*paths));
	unsigned *rights = calloc(2 * n + 1, sizeof(*rights));
	int r = paths && rights ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < n; i++)
		if (asprintf(&paths[2 * i], "%s%s", folder, names[i]) < 0 ||
		    asprintf(&paths[2 * i + 1], "%s%s/" ACL_PROBE, folder, names[i]) < 0)
			r = -ENOMEM;
	if (r == 0)
		r = acl_rights_many(v, (const char *const *)paths, 2 * n, limit, rights, err);
	else
		err_set(err, ENOMEM, "no memory for a request");
	for (size_t i = 0; r == 0 && i < n; i++) {
		own[i] = rights[2 * i];
		below[i] = rights[2 * i + 1];
	}
	for (size_t i = 0; paths && i < 2 * n; i++)
		free(paths[i]);
	free(paths);
	free(rights);
	return r;
}
