/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_NAME_H
#define NODE_NAME_H

#include <stddef.h>

/* How names of the server stand in a directory. A path component and a field's name appear as they
 * are, but for '/', '%' and NUL, written %2F %25 %00, and for the whole names "", ".", ".." and
 * ".vault", written % %2E %2E%2E %2Evault. The map is a bijection. */

#define NAME_BYTES_MAX 255 /* of a name in a directory, escaped */

/* The name in a directory for these bytes, ended by a NUL; its length, or -ENAMETOOLONG. */
int name_escape(const char *bytes, size_t len, char to[NAME_BYTES_MAX + 1]);

/* The bytes for a name in a directory; their number, or -EINVAL for what name_escape() does not
 * yield. `to` has room for NAME_BYTES_MAX, and gets a NUL behind. */
int name_unescape(const char *name, char to[NAME_BYTES_MAX + 1]);

/* What the node of a field is named in its directory, that is looked up as `name` in ".vault/fields". A
 * file of that kind has a node of its own, beside the one that the directory may have for the field. */
#define FIELDS_PREFIX ".vault/fields/"
struct fields_key {
	char text[sizeof(FIELDS_PREFIX) + NAME_BYTES_MAX];
};
struct fields_key fields_key_of(const char *name);

/* The name in ".vault/fields" of a node that is named so; NULL for others. */
const char *fields_name(const char *node_name);

#endif
