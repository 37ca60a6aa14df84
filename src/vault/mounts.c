// SPDX-License-Identifier: Apache-2.0
/* Which engine is mounted where: the preflight of the official command line. */

#include "vault/mounts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int read_info(const char *path, const cJSON *data, struct mount_info *out)
{
	const char *type = json_get_str(data, "type");
	const char *version = json_get_str(json_get(data, "options"), "version");
	size_t len = path ? strlen(path) : 0;

	if (!type || !len || len >= sizeof(out->path) || strlen(type) >= sizeof(out->type))
		return -EIO;
	memcpy(out->path, path, len + 1);
	if (out->path[len - 1] == '/')
		out->path[len - 1] = '\0';
	strcpy(out->type, type);
	out->version = 0;
	if (!strcmp(type, "kv") || !strcmp(type, "generic"))
		out->version = version && !strcmp(version, "2") ? 2 : 1;
	return 0;
}

/* The server's own refusal mentions its preflight check; any other comes from something in
 * between. */
static bool is_unseen(int r, const struct vault_answer *answer)
{
	char words[200];

	reply_words(answer->json, words, sizeof(words));
	return r == -ENOENT || (r == -EACCES && strstr(words, "preflight"));
}

int mounts_find(struct vault *v, const char *path, struct limit limit, struct mount_info *out,
		struct err *err)
{
	_cleanup_answer_ struct vault_answer answer = {0};
	_cleanup_free_ char *full = NULL;
	struct vault_call call = {.method = "GET", .limit = limit, .once = true};
	const cJSON *data;
	int r;

	if (asprintf(&full, "sys/internal/ui/mounts/%s", path) < 0)
		return err_set(err, ENOMEM, "no memory for a request");
	call.path = full;
	r = vault_call(v, &call, &answer, err);
	if (is_unseen(r, &answer))
		return err_set(err, ENOENT,
			       "no engine at %s, or none that this token may see, at %s", path,
			       vault_address(v));
	if (answer.foreign && answer.status == 403) /* a firewall lets nobody ask that */
		r = -EACCES;
	if (r == -EACCES)
		err_prefix(err, "which engine %s is in may not be asked (sys/internal/ui/mounts)",
			   path);
	if (r < 0)
		return r;
	data = json_get(answer.json, "data");
	if (read_info(json_get_str(data, "path"), data, out) < 0)
		return err_set(err, EIO, "the answer from %s makes no sense: it is no mount",
			       vault_address(v));
	return 0;
}

int mounts_list(struct vault *v, struct limit limit,
		int (*each)(void *arg, const struct mount_info *mount), void *arg, struct err *err)
{
	_cleanup_answer_ struct vault_answer answer = {0};
	struct vault_call call = {
		.method = "GET", .path = "sys/internal/ui/mounts", .limit = limit};
	int r = vault_call(v, &call, &answer, err);
	const cJSON *mounts = json_get(json_get(answer.json, "data"), "secret");

	if (answer.foreign && answer.status == 403)
		r = -EACCES;
	if (r == -EACCES)
		err_prefix(err,
			   "which engines there are may not be asked (sys/internal/ui/mounts)");
	if (r == 0 && !cJSON_IsObject(mounts))
		return err_set(err, EIO, "the answer from %s makes no sense: it is no list",
			       vault_address(v));
	for (const cJSON *m = r == 0 ? mounts->child : NULL; m && r == 0; m = m->next) {
		struct mount_info info;

		if (read_info(m->string, m, &info) == 0)
			r = each(arg, &info);
	}
	return r;
}
