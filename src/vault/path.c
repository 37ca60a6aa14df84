// SPDX-License-Identifier: Apache-2.0
/* Which strings can be a path of secrets. Servers clean paths as a browser would, refuse some bytes
 * without a word, and change others. We send only paths that would come back as they were
 * written. */

#include "vault/path.h"

#include "base/codec.h"

#include <errno.h>
#include <string.h>

int path_check_component(const char *bytes, size_t len)
{
	static const char *const none[] = {"", ".", "..", ".vault"};

	for (size_t i = 0; i < ARRAY_SIZE(none); i++)
		if (strlen(none[i]) == len && !memcmp(none[i], bytes, len))
			return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)bytes[i];

		if (c < 0x20 || c == 0x7f || c == '/')
			return -EINVAL;
	}
	return utf8_valid(bytes, len) ? 0 : -EILSEQ;
}

int path_check(const char *path, struct err *err)
{
	while (*path) {
		size_t len = strcspn(path, "/");
		int r = len ? path_check_component(path, len) : 0;

		if (r == -EILSEQ)
			return err_set(err, EILSEQ, "a name in the path is not UTF-8");
		if (r < 0)
			return err_set(err, EINVAL,
				       "no path holds a name like %.*s: no \".\", \"..\", "
				       "\".vault\", and no control characters",
				       (int)(len > 40 ? 40 : len), path);
		path += len + (path[len] == '/');
	}
	return 0;
}

int path_check_exact(const char *path, struct err *err)
{
	size_t len = strlen(path);

	if (!len || *path == '/' || path[len - 1] == '/' || strstr(path, "//"))
		return err_set(err, EINVAL, "no path of a secret has an empty name in it");
	return path_check(path, err);
}
