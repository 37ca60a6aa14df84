// SPDX-License-Identifier: Apache-2.0
/* Marks of fields that are stored in base64, as the stores are asked to change them. What a mark is, and
 * what it does, is kv_version.c's; when one is set or removed, kv_write.c's. */

#include "kv/kv_mark.h"

#include "base/json.h"

#include <stdio.h>
#include <string.h>

cJSON *kv_mark_patch(const struct kv_remark *marks, size_t n)
{
	_cleanup_json_ cJSON *patch = cJSON_CreateObject();
	cJSON *custom = cJSON_AddObjectToObject(patch, "custom_metadata");

	for (size_t i = 0; custom && i < n; i++) {
		char name[sizeof(KV_MARK_PREFIX) + sizeof(marks->mark.hash)];
		cJSON *value = marks[i].set ? json_new_string("1", 1) : cJSON_CreateNull();

		snprintf(name, sizeof(name), "%s%s", KV_MARK_PREFIX, marks[i].mark.hash);
		if (json_add(custom, name, strlen(name), value) < 0)
			return NULL;
	}
	return custom ? steal(patch) : NULL;
}
