// SPDX-License-Identifier: Apache-2.0
/* The rules of a token: the first line is a path, the rest the server's answer. What may be written is
 * within reach. */

#include "fuzz.h"

#include "kv/acl.h"

int fuzz_one(const char *text, size_t len)
{
	size_t line = strcspn(text, "\n");
	_cleanup_free_ char *path = strndup(text, line);
	_cleanup_object_ struct acl *acl = NULL;
	_cleanup_object_ struct kv_list *names = NULL;
	_cleanup_json_ cJSON *data = NULL;
	unsigned rights = 0;

	if (line >= len || json_parse(text + line + 1, len - line - 1, &data, NULL) < 0)
		return 0;
	acl = acl_parse(data);
	fuzz_check(acl != NULL);
	if (acl_reach(acl, path) == KV_REACH_NO)
		fuzz_check(acl_may_write(acl, path, KV_CREATE | KV_UPDATE, true) != KV_REACH_YES);
	acl_tells(acl, path, &rights);
	names = acl_named(acl, (const char *const[]){path, "secret/"}, 2);
	for (size_t i = 0; names && i + 1 < names->count; i++)
		fuzz_check(strcmp(names->entries[i].name, names->entries[i + 1].name) < 0);
	return 0;
}
