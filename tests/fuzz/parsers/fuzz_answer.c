// SPDX-License-Identifier: Apache-2.0
/* Answers of the server: a secret, its metadata, a listing. */

#include "fuzz.h"

#include "kv/kv_children.h"
#include "kv/kv_list.h"
#include "kv/kv_version.h"
#include "vault/reply.h"

int fuzz_one(const char *text, size_t len)
{
	_cleanup_json_ cJSON *tree = NULL;
	_cleanup_object_ struct kv_version *v = NULL, *one = NULL;
	_cleanup_object_ struct kv_list *list = NULL;
	struct kv_children *children = kv_children_new();
	const cJSON *data;
	char words[300];

	if (json_parse_shallow(text, len, len % 5 + 1, &tree, NULL) == 0) {
		data = json_get(tree, "data");
		if (kv_version_parse(json_get(data, "data"), json_get(data, "metadata"), &v) == 0)
			cJSON_Delete(kv_version_json(v));
		kv_version_from_metadata(data, 1, &one);
		kv_list_parse(json_get(data, "keys"), &list);
		kv_children_add(children, json_get(data, "keys"), json_get(data, "key_info"));
		reply_words(tree, words, sizeof(words));
	}
	object_put(children);
	return 0;
}
