// SPDX-License-Identifier: Apache-2.0
/* Checks a commit against the section of its secret. Fields that somebody else has written against
 * the rules do not keep others from being changed; but all required fields must exist in the
 * end. */

#include "rule/rule_check.h"

#include <errno.h>
#include <string.h>

static int check_allowed(const struct rule *rule, const char *field, size_t len, struct err *err)
{
	if (!(rule->has & RULE_ALLOW) || rule_names_have(&rule->allow, field, len) ||
	    rule_names_have(&rule->require, field, len))
		return 0;
	return err_set(err, EINVAL, "[path \"%s\"] does not allow a field %s", rule->pattern,
		       field);
}

static int check_match(const struct rule *rule, const struct kv_field *f, struct err *err)
{
	for (const struct rule_match *m = rule->matches; m; m = m->next) {
		regmatch_t whole = {.rm_so = 0, .rm_eo = (regoff_t)f->len};

		if (strlen(m->field) != f->name_len || memcmp(m->field, f->name, f->name_len) != 0)
			continue;
		if (regexec(&m->regex, f->text, 0, &whole, REG_STARTEND) != 0)
			return err_set(err, EINVAL,
				       "[path \"%s\"]: the value of %s does not match match.%s",
				       rule->pattern, f->name, f->name);
	}
	return 0;
}

static int check_size(const struct rules *rules, const char *path, const struct kv_field *f,
		      struct err *err)
{
	const struct rule *rule = rules_of_field(rules, path, f->name);

	if (!rule || !(rule->has & RULE_MAX_SIZE) || f->len <= rule->max_size)
		return 0;
	return err_set(err, EINVAL, "[path \"%s\"]: %s has %zu bytes, which is more than max_size",
		       rule->pattern, f->name, f->len);
}

static int check_required(const struct rule *rule, const struct kv_version *v, const char *field,
			  size_t len, struct err *err)
{
	for (size_t i = 0; i < rule->require.count; i++) {
		const char *name = rule->require.names[i];

		if (field && strlen(name) == len && !memcmp(name, field, len))
			continue;
		if (!kv_version_field(v, name, strlen(name)))
			return err_set(err, EINVAL,
				       "[path \"%s\"] requires a field %s: write all that is "
				       "required at once, by .vault/data.json",
				       rule->pattern, name);
	}
	return 0;
}

int rule_check(const struct rules *rules, const char *path, const struct kv_version *before,
	       const struct kv_version *after, struct err *err)
{
	const struct rule *rule;
	int r = 0;

	if (!rules->first)
		return 0;
	rule = rules_of(rules, path);
	for (size_t i = 0; r == 0 && i < after->count; i++) {
		const struct kv_field *f = &after->fields[i];

		if (kv_field_equal(kv_version_field(before, f->name, f->name_len), f))
			continue;
		if (rule)
			r = check_allowed(rule, f->name, f->name_len, err);
		if (r == 0 && rule)
			r = check_match(rule, f, err);
		if (r == 0)
			r = check_size(rules, path, f, err);
	}
	return r == 0 && rule ? check_required(rule, after, NULL, 0, err) : r;
}

int rule_check_field(const struct rules *rules, const char *path, const struct kv_version *before,
		     const char *field, size_t len, struct err *err)
{
	const struct rule *rule = rules_of(rules, path);
	int r = rule ? check_allowed(rule, field, len, err) : 0;

	return r == 0 && rule ? check_required(rule, before, field, len, err) : r;
}

bool rule_requires(const struct rules *rules, const char *path, const char *field, size_t len)
{
	const struct rule *rule = rules_of(rules, path);

	return rule && rule_names_have(&rule->require, field, len);
}
