/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RULE_RULE_CHECK_H
#define RULE_RULE_CHECK_H

#include "kv/kv_version.h"
#include "rule/rules.h"

/* Whether a version of a secret may take the place of `before`: it has what its section requires, and
 * what it adds or changes is as that allows. 0, or -EINVAL with a sentence that tells no value. */
int rule_check(const struct rules *rules, const char *path, const struct kv_version *before,
	       const struct kv_version *after, struct err *err);

/* The same of what can be told before there is a value, when a field is opened for writing. */
int rule_check_field(const struct rules *rules, const char *path, const struct kv_version *before,
		     const char *field, size_t len, struct err *err);

/* Whether that field is required. */
bool rule_requires(const struct rules *rules, const char *path, const char *field, size_t len);

#endif
