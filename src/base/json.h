/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/buf.h"

#include <cjson/cJSON.h>
#include <stdint.h>
#include <string.h>

/* JSON (RFC 8259) that loses nothing: cJSON's trees, in secret memory, in which numbers keep their
 * text and strings may hold NUL. Read and make strings, keys and numbers by the functions here; for
 * the rest cJSON's own serve. */

/* Once, before the first use of cJSON by anyone in the process. */
void json_init(void);

/* Where in a text it went wrong. Lines and columns count from 1, columns in bytes. */
struct json_where {
	size_t offset, line, column;
	const char *what;
};

/* Parses the whole of `text`. 0; -EINVAL for what is not JSON, with `where` filled if given; or
 * -ENOMEM. The tree is the caller's, for cJSON_Delete(). Duplicate keys are kept, as siblings. */
int json_parse(const char *text, size_t len, cJSON **out, struct json_where *where);

/* The same, but objects and arrays that are within `depth` others or more are raw items of compact text:
 * a tree of what matters, however much is in it. */
#define JSON_WHOLE 512
int json_parse_shallow(const char *text, size_t len, size_t depth, cJSON **out,
		       struct json_where *where);

/* Appends the text of the tree; `pretty` as a person would indent it. 0 or -ENOMEM. */
int json_print(const cJSON *item, bool pretty, struct buf *to);

/* A string's, or a member's name's, length in bytes, and its bytes, without a NUL after them. */
size_t json_string_len(const cJSON *string);
void json_string_copy(const cJSON *string, char *to);
size_t json_key_len(const cJSON *member);
void json_key_copy(const cJSON *member, char *to);

/* A new string, or a new value of which `text` is the JSON text. NULL: no memory. */
cJSON *json_new_string(const char *bytes, size_t len);
cJSON *json_new_raw(const char *text, size_t len);

/* Adds `item`, which it takes in any case, under a name that may hold NUL. 0 or -ENOMEM. */
int json_add(cJSON *object, const char *name, size_t len, cJSON *item);

/* The member of that name, NULL where there is none or `object` is not an object. */
cJSON *json_get(const cJSON *object, const char *name);
/* The member as a C string, NULL where it is no string, empty or holds NUL; as a number, `otherwise`
 * where it is not a whole one; as a boolean, false where it is not one. */
const char *json_get_str(const cJSON *object, const char *name);
int64_t json_get_int(const cJSON *object, const char *name, int64_t otherwise);
bool json_get_bool(const cJSON *object, const char *name);

/* Puts the members of all objects in it in the order of their names: servers give them another. */
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
