// SPDX-License-Identifier: Apache-2.0
/* Policies with the least that a mount works with: values, versions, listings and metadata of what is
 * below one path; to write, also new versions, their soft deletion and what takes that back, and
 * custom metadata, which marks what is stored in base64. Nobody may destroy anything for good. */

#include "tools/policy.h"

static const struct rule {
	const char *tree, *capabilities[2]; /* by kind; NULL: none */
} rules[] = {
	{"data", {"\"read\"", "\"create\", \"read\", \"update\", \"patch\""}},
	{"metadata",
	 {"\"read\", \"list\"", "\"create\", \"read\", \"update\", \"patch\", \"list\""}},
	{"delete", {NULL, "\"update\""}},
	{"undelete", {NULL, "\"update\""}},
};

void policy_print(enum policy_kind kind, const char *engine, const char *path, struct buf *to)
{
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		static const char *const ends[] = {"", "/*"};
		const struct rule *r = &rules[i];

		for (size_t k = 0; r->capabilities[kind] && k < ARRAY_SIZE(ends); k++)
			buf_printf(to, "path \"%s/%s/%s%s\" {\n  capabilities = [%s]\n}\n", engine,
				   r->tree, path, ends[k], r->capabilities[kind]);
	}
}
