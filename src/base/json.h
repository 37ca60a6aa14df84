/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/buf.h"

#include <cjson/cJSON.h>
#include <stdint.h>
#include <string.h>

/* JSON (RFC 8259) that loses nothing: cJSON trees in secret memory, in which numbers keep their text and
 * strings may hold NUL. Strings, keys and numbers are read and made by the functions here; cJSON's own
 * do the rest. */

/* Call once, before any use of cJSON in the process. */
void json_init(void);

/* Where a text is wrong. Lines and columns count from 1, columns in bytes. */
struct json_where {
	size_t offset, line, column;
	const char *what;
};

/* Parses the whole of `text`. 0; -EINVAL if it is not JSON, with `where` filled if given; or -ENOMEM.
 * The caller frees the tree by cJSON_Delete(). Duplicate keys are kept, as siblings. */
int json_parse(const char *text, size_t len, cJSON **out, struct json_where *where);

/* Like json_parse(), but an object or array at depth `depth` or deeper becomes a raw item of
 * compact text, so that a large value costs no nodes. */
#define JSON_WHOLE 512
int json_parse_shallow(const char *text, size_t len, size_t depth, cJSON **out,
		       struct json_where *where);

/* Appends the text of the tree; `pretty` indents it. 0 or -ENOMEM. */
int json_print(const cJSON *item, bool pretty, struct buf *to);

/* The length of a string or of a member's name, and its bytes; no NUL follows them. */
size_t json_string_len(const cJSON *string);
void json_string_copy(const cJSON *string, char *to);
size_t json_key_len(const cJSON *member);
void json_key_copy(const cJSON *member, char *to);

/* A new string, or a new value with the JSON text `text`. NULL: no memory. */
cJSON *json_new_string(const char *bytes, size_t len);
cJSON *json_new_raw(const char *text, size_t len);

/* Adds `item` under a name that may hold NUL; takes `item` even if it fails. 0 or -ENOMEM. */
int json_add(cJSON *object, const char *name, size_t len, cJSON *item);

/* The member of this name; NULL if there is none or `object` is not an object. */
cJSON *json_get(const cJSON *object, const char *name);
/* The member as a C string: NULL if it is no string, is empty or holds NUL. As a number: `otherwise` if
 * it is not a whole one. As a boolean: false if it is not one. */
const char *json_get_str(const cJSON *object, const char *name);
int64_t json_get_int(const cJSON *object, const char *name, int64_t otherwise);
bool json_get_bool(const cJSON *object, const char *name);

/* Sorts the members of all objects in it by name; servers use another order. */
void json_sort(cJSON *item);

static inline bool json_is_number(const cJSON *item)
{
	return cJSON_IsRaw(item) && item->valuestring &&
	       strchr("-0123456789", item->valuestring[0]);
}

static inline void cleanup_json(cJSON **j)
{
	cJSON_Delete(*j);
}
#define _cleanup_json_ _cleanup_(cleanup_json)

#endif
