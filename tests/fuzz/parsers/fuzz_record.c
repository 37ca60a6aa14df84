// SPDX-License-Identifier: Apache-2.0
/* Records of the copy for offline use: what was read of one is written, and read, as the same. */

#include "fuzz.h"

#include "offline/record.h"

static void versions(const char *text, size_t len)
{
	_cleanup_object_ struct kv_version *v = NULL, *again = NULL;
	_cleanup_buf_ struct buf b = {0};

	if (record_get_version(text, len, &v) < 0)
		return;
	cJSON_Delete(kv_version_json(v));
	fuzz_check(record_put_version(v, &b) == 0);
	fuzz_check(record_get_version(b.data, b.len, &again) == 0);
	fuzz_check(kv_version_same(v, again) && kv_version_equal(v, again));
}

static void lists(const char *text, size_t len)
{
	_cleanup_object_ struct kv_list *list = NULL;
	_cleanup_buf_ struct buf b = {0};

	if (record_get_list(text, len, &list) < 0)
		return;
	fuzz_check(record_put_list(list, &b) == 0);
	for (size_t i = 0; i < list->count; i++)
		kv_list_find(list, list->entries[i].name);
}

int fuzz_one(const char *text, size_t len)
{
	versions(text, len);
	lists(text, len);
	return 0;
}
