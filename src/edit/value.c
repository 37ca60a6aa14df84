// SPDX-License-Identifier: Apache-2.0
/* From what a program wrote to what the server keeps. */

#include "edit/value.h"

#include "kv/kv_write.h"

#include <errno.h>
#include <string.h>

static bool is_of_type(const cJSON *json, enum kv_type type)
{
	switch (type) {
	case KV_NUMBER:
		return json_is_number(json);
	case KV_TRUE:
	case KV_FALSE:
		return cJSON_IsBool(json);
	case KV_NULL:
		return cJSON_IsNull(json);
	case KV_OBJECT:
		return cJSON_IsObject(json);
	case KV_ARRAY:
		return cJSON_IsArray(json);
	case KV_STRING:
		break;
	}
	return false;
}

/* Takes the bytes as JSON of that type; `text` is then its compact form. With KV_FLOATS only what
 * would be read back as it was written. */
static bool take_json(struct buf *text, enum kv_type type, unsigned traits,
		      struct kv_change *change)
{
	_cleanup_json_ cJSON *json = NULL;
	_cleanup_buf_ struct buf compact = {0};
	size_t len = text->len;

	if (len && text->data[len - 1] == '\n')
		len--;
	if (!len || json_parse(text->data, len, &json, NULL) < 0 || !is_of_type(json, type))
		return false;
	if (json_print(json, false, &compact) < 0 ||
	    ((traits & KV_FLOATS) && !kv_numbers_kept(compact.data, compact.len)))
		return false;
	buf_fini(text);
	*text = compact;
	compact = (struct buf){0};
	change->type = type;
	if (cJSON_IsBool(json))
		change->type = cJSON_IsTrue(json) ? KV_TRUE : KV_FALSE;
	change->text = text->data;
	change->len = text->len;
	return true;
}

int value_as_type(enum kv_type type, struct buf *text, struct kv_change *change, struct err *err)
{
	change->binary = change->stored = false;
	change->type = KV_STRING;
	change->text = text->data ? text->data : "";
	change->len = text->len;
	if (type == KV_STRING || take_json(text, type, 0, change))
		return 0;
	return err_set(err, EINVAL, "the value cannot be read as that type");
}

/* The one newline that echo puts behind a value of one line. */
static void strip_newline(struct buf *text)
{
	if (text->len && memchr(text->data, '\n', text->len) == text->data + text->len - 1)
		buf_resize(text, text->len - 1);
}

static int take_string(const struct tree_config *config, struct buf *text, struct kv_change *change,
		       struct err *err)
{
	if (kv_is_text(text->data ? text->data : "", text->len)) {
		if (config->newline_strip)
			strip_newline(text);
	} else if (config->binary_reject) {
		return err_set(err, EILSEQ, "the bytes are no text, and binary=reject is set");
	} else {
		change->binary = true;
	}
	change->text = text->data ? text->data : "";
	change->len = text->len;
	return 0;
}

int value_from_bytes(const struct tree_config *config, struct buf *text,
		     const struct kv_version *base, unsigned traits, struct kv_change *change,
		     struct err *err)
{
	const struct kv_field *old = kv_version_field(base, change->name, change->name_len);
	bool json;
	size_t size;

	change->type = KV_STRING;
	change->binary = change->stored = false;
	json = old && old->type != KV_STRING && take_json(text, old->type, traits, change);
	size = json ? change->len : value_stored_size(text->data, text->len);
	if (size > config->max_size)
		return err_set(err, EFBIG, "%zu bytes, as they are stored, are more than max_size",
			       size);
	if (json)
		return 0;
	return take_string(config, text, change, err);
}

size_t value_stored_size(const char *bytes, size_t len)
{
	size_t size = len;

	if (!len)
		return 0;
	if (!kv_is_text(bytes, len))
		return (len + 2) / 3 * 4;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)bytes[i];

		if (c == '"' || c == '\\' || (c >= 8 && c <= 13 && c != 11))
			size++;
		else if (c < 0x20)
			size += 5;
	}
	return size;
}
