// SPDX-License-Identifier: Apache-2.0
/* Settings and custom metadata, read from the secret's metadata. The marks of binary values, which we
 * keep there ourselves, are nobody's to see or change. */

#include "tree/settings.h"
#include "tree/dir_traits.h"

#include "base/json.h"

#include <errno.h>
#include <string.h>

static const struct setting settings[] = {
	{"user.vault.max_versions", "max_versions", SETTING_NUMBER},
	{"user.vault.cas_required", "cas_required", SETTING_BOOLEAN},
	{"user.vault.delete_version_after", "delete_version_after", SETTING_DURATION},
};

const struct setting *settings_find(const char *attribute)
{
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
		if (!strcmp(settings[i].attribute, attribute))
			return &settings[i];
	return NULL;
}

const struct setting *settings_named(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
		if (!strcmp(settings[i].name, name))
			return &settings[i];
	return NULL;
}

static bool is_mark(const char *key)
{
	return strncmp(key, KV_MARK_PREFIX, strlen(KV_MARK_PREFIX)) == 0;
}

const char *settings_custom_key(const char *attribute)
{
	size_t len = strlen(SETTINGS_CUSTOM);

	if (strncmp(attribute, SETTINGS_CUSTOM, len) != 0 || is_mark(attribute + len))
		return NULL;
	return attribute + len;
}

/* A string as it is, anything else as JSON. */
static int print(const cJSON *item, char **text)
{
	_cleanup_buf_ struct buf b = {0};

	if (!cJSON_IsString(item) && json_print(item, false, &b) < 0)
		return -ENOMEM;
	*text = strdup(cJSON_IsString(item) ? item->valuestring : b.data);
	return *text ? 0 : -ENOMEM;
}

static int metadata_locked(struct tree *t, struct dir *d, const struct ask *ask,
			   struct object **out, struct err *err)
{
	LOCK_HELD(&t->lock);
	int r = -ENOENT;

	if (dir_traits(t, d) & KV_FLAT)
		return err_set(err, EOPNOTSUPP, "the engine keeps no metadata");
	if (dir_may_be_secret(d))
		r = cache_get(t->config.cache, TREE_METADATA, d->path, ask, out, NULL, err);
	return r == -ENOENT ? -ENODATA : r;
}

int settings_text_locked(struct tree *t, struct dir *d, const char *attribute,
			 const struct ask *ask, char **text, struct err *err)
{
	LOCK_HELD(&t->lock);
	_cleanup_object_ struct object *o = NULL;
	const struct setting *setting = settings_find(attribute);
	const char *key = settings_custom_key(attribute);
	const cJSON *json, *item;
	int r;

	if (!setting && !key)
		return -ENODATA;
	r = metadata_locked(t, d, ask, &o, err);
	if (r != 0)
		return r;
	json = container_of(o, struct tree_json, object)->json;
	item = setting ? json_get(json, setting->name)
		       : json_get(json_get(json, "custom_metadata"), key);
	return item ? print(item, text) : -ENODATA;
}

int settings_list_locked(struct tree *t, struct dir *d, const struct ask *ask, struct buf *to)
{
	LOCK_HELD(&t->lock);
	_cleanup_object_ struct object *o = NULL;
	const cJSON *custom;
	int r = metadata_locked(t, d, ask, &o, NULL);

	if (r == PARKED)
		return r;
	if (r < 0)
		return 0;
	custom = json_get(container_of(o, struct tree_json, object)->json, "custom_metadata");
	for (const cJSON *item = custom ? custom->child : NULL; item; item = item->next) {
		if (is_mark(item->string))
			continue;
		buf_add_str(to, SETTINGS_CUSTOM);
		buf_add(to, item->string, strlen(item->string) + 1);
	}
	return buf_status(to);
}

size_t settings_count_locked(struct tree *t, const struct dir *d)
{
	LOCK_HELD(&t->lock);
	_cleanup_object_ struct object *o = cache_peek(t->config.cache, TREE_METADATA, d->path);

	return o ? (size_t)cJSON_GetArraySize(json_get(
			   container_of(o, struct tree_json, object)->json, "custom_metadata"))
		 : 0;
}
