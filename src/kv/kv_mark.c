// SPDX-License-Identifier: Apache-2.0
/* Marks of fields that are stored in base64: their names, how they decode a string, and the request
 * that changes them. kv_write.c decides when to set or remove one. */

#include "kv/kv_mark.h"

#include "base/codec.h"
#include "base/json.h"
#include "base/secmem.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

struct kv_mark kv_mark_of(const char *name, size_t len)
{
	unsigned char md[EVP_MAX_MD_SIZE] = {0};
	struct kv_mark m;

	EVP_Digest(name, len, md, NULL, EVP_sha256(), NULL);
	for (size_t i = 0; i < 16; i++)
		snprintf(m.hash + 2 * i, 3, "%02x", md[i]);
	return m;
}

bool kv_is_text(const char *bytes, size_t len)
{
	return !memchr(bytes, '\0', len) && utf8_valid(bytes, len);
}

bool kv_mark_decode(const char *text, size_t len, char *to, size_t *to_len)
{
	return len && base64_decode(text, len, to, to_len) && !kv_is_text(to, *to_len);
}

bool kv_mark_misleads(const char *text, size_t len)
{
	char *bytes = secmem_alloc(len + 1);
	size_t n;
	bool misleads = !bytes || kv_mark_decode(text, len, bytes, &n);

	secmem_free(bytes);
	return misleads;
}

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
