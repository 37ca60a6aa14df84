/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RULE_RULE_CHECK_H
#define RULE_RULE_CHECK_H

#include "kv/kv_version.h"
#include "rule/rules.h"

/* Whether a version may replace `before`: it has the fields that its section requires, and the
 * section allows every field that it adds or changes. 0, or -EINVAL with a sentence that reveals no
 * value. */
int rule_check(const struct rules *rules, const char *path, const struct kv_version *before,
	       const struct kv_version *after, struct err *err);

/* The checks that need no value, when a field is opened for writing. */
int rule_check_field(const struct rules *rules, const char *path, const struct kv_version *before,
		     const char *field, size_t len, struct err *err);

/* Whether that field is required. */
bool rule_requires(const struct rules *rules, const char *path, const char *field, size_t len);

#endif
