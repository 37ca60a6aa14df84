// SPDX-License-Identifier: Apache-2.0
/* Marks of fields that are stored in base64, as they are changed: what a change to a field means for its
 * mark, and what the stores are asked for. What a mark is, and what it does, is kv_version.c's. */

#include "kv/kv_mark.h"

#include "base/json.h"
#include "kv/kv.h"

#include <stdio.h>
#include <string.h>

bool kv_mark_to_remove(const struct kv_version *base, const struct kv_change *c)
{
	return c->type == KV_STRING && !c->binary &&
	       kv_version_marked(base, c->name, c->name_len) && kv_mark_misleads(c->text, c->len);
}

int kv_mark_change(struct kv *kv, const char *path, const struct kv_change *c,
		   const struct kv_version *latest, struct limit limit, struct err *err)
{
	struct kv_mark mark;

	if (!c->binary && !c->unmark)
		return 0;
	if (kv_version_marked(latest, c->name, c->name_len) == c->binary)
		return 0;
	mark = kv_mark_of(c->name, c->name_len);
	return kv->ops->mark(kv, path, &mark, c->binary, latest->number, limit, err);
}

cJSON *kv_mark_patch(const struct kv_mark *mark, bool set)
{
	_cleanup_json_ cJSON *patch = cJSON_CreateObject();
	cJSON *custom = cJSON_AddObjectToObject(patch, "custom_metadata");
	char name[sizeof(KV_MARK_PREFIX) + sizeof(mark->hash)];

	snprintf(name, sizeof(name), "%s%s", KV_MARK_PREFIX, mark->hash);
	if (!custom || json_add(custom, name, strlen(name),
				set ? json_new_string("1", 1) : cJSON_CreateNull()) < 0)
		return NULL;
	return steal(patch);
}
