// SPDX-License-Identifier: Apache-2.0
/* Policies with the least rights that a mount needs: values, versions, listings and metadata below
 * one path. For writing also new versions, deleting and undeleting, and custom metadata, which
 * marks values stored in base64. Nobody may destroy anything for good. So nobody may set how many
 * versions the server keeps, or for how long, since that makes the server destroy them. */

#include "cmd/admin/policy.h"

#define HISTORY                                                                                    \
	"  denied_parameters = {\n    \"max_versions\" = []\n    \"delete_version_after\" = []\n " \
	" }\n"

static const struct rule {
	const char *tree, *capabilities[2]; /* by kind; NULL: none */
	const char *denied;		    /* for POLICY_WRITE; NULL: nothing */
} rules[] = {
	{"data", {"\"read\"", "\"create\", \"read\", \"update\", \"patch\""}},
	{"metadata",
	 {"\"read\", \"list\"", "\"create\", \"read\", \"update\", \"patch\", \"list\""},
	 HISTORY},
	{"delete", {NULL, "\"update\""}},
	{"undelete", {NULL, "\"update\""}},
};

void policy_print(enum policy_kind kind, const char *engine, const char *path, struct buf *to)
{
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		static const char *const ends[] = {"", "/*"};
		const struct rule *r = &rules[i];

		for (size_t k = 0; r->capabilities[kind] && k < ARRAY_SIZE(ends); k++)
			buf_printf(to, "path \"%s/%s/%s%s\" {\n  capabilities = [%s]\n%s}\n",
				   engine, r->tree, path, ends[k], r->capabilities[kind],
				   kind == POLICY_WRITE && r->denied ? r->denied : "");
	}
}
