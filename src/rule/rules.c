// SPDX-License-Identifier: Apache-2.0
/* From a path to its section, and that section's owner, mode and freshness. */

#include "rule/rules.h"

#include "base/cleanup.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

/* A path in its two forms, "app/db" and "secret/app/db". */
struct forms {
	const char *path, *full;
};

#define FORMS_MAX 6144

/* A form that is too long matches nothing; no path is as long. */
static struct forms forms_of(const struct rules *rules, const char *path, const char *field,
			     char room[2][FORMS_MAX])
{
	int n = snprintf(room[0], FORMS_MAX, "%s%s%s", path, field ? "/" : "", field ? field : "");

	if (n < 0 || n >= FORMS_MAX)
		*room[0] = '\0';
	n = snprintf(room[1], FORMS_MAX, "%s%s%s%s%s", rules->label, *path ? "/" : "", path,
		     field ? "/" : "", field ? field : "");
	if (n < 0 || n >= FORMS_MAX || !*rules->label)
		*room[1] = '\0';
	return (struct forms){room[0], room[1]};
}

static bool matches(const struct rule *rule, const struct forms *f)
{
	return (*f->path && fnmatch(rule->pattern, f->path, 0) == 0) ||
	       (*f->full && fnmatch(rule->pattern, f->full, 0) == 0);
}

const struct rule *rules_of(const struct rules *rules, const char *path)
{
	const struct rule *rule = rules->first;
	char room[2][FORMS_MAX];
	struct forms f;

	if (!rule)
		return NULL;
	f = forms_of(rules, path, NULL, room);
	while (rule && !matches(rule, &f))
		rule = rule->next;
	return rule;
}

const struct rule *rules_of_field(const struct rules *rules, const char *path, const char *field)
{
	const struct rule *rule = rules->first;
	char room[2][FORMS_MAX], field_room[2][FORMS_MAX];
	struct forms secret, own;

	if (!rule)
		return NULL;
	secret = forms_of(rules, path, NULL, room);
	own = forms_of(rules, path, field, field_room);
	while (rule && !matches(rule, &secret) && !matches(rule, &own))
		rule = rule->next;
	return rule;
}

void rule_access(const struct rule *rule, struct access *a)
{
	if (!rule)
		return;
	if (rule->has & RULE_OWNER)
		a->uid = (uid_t)rule->owner;
	if (rule->has & RULE_GROUP)
		a->gid = (gid_t)rule->group;
	if (rule->has & RULE_MODE)
		a->mode = (mode_t)rule->mode;
	if (rule->has & RULE_DIR_MODE)
		a->dir_mode = (mode_t)rule->dir_mode;
}

/* Skips the pattern's next single-character match; *same: that may be `c`. */
static const char *after_one(const char *p, char c, bool *same)
{
	const char *end;

	*same = true;
	if (*p == '[' && p[1] && (end = strchr(p + 2, ']')))
		return end + 1; /* it may */
	if (*p == '\\' && p[1])
		p++;
	else if (*p == '?')
		return p + 1;
	*same = *p == c;
	return p + 1;
}

/* Whether the pattern may match a path below: everything before its first "*" must match the
 * path. */
static bool may_match_below(const char *pattern, const char *path)
{
	size_t len = strlen(path);
	bool same;

	for (size_t i = 0; i <= len; i++) {
		if (*pattern == '*')
			return true;
		if (!*pattern)
			return false;
		pattern = after_one(pattern, i < len ? path[i] : '/', &same);
		if (!same)
			return false;
	}
	return *pattern;
}

/* Takes from `a` whatever that section alone, applied to `b`, would refuse. */
static void restrict_access(const struct rule *rule, struct access b, struct access *a)
{
	rule_access(rule, &b);
	if (b.uid != a->uid)
		a->mode &= ~(mode_t)0700;
	if (b.gid != a->gid)
		a->mode &= ~(mode_t)0070;
	a->mode &= b.mode;
}

void rules_whole_access(const struct rules *rules, const char *path, struct access *a)
{
	const struct access options = *a;
	char room[2][FORMS_MAX];
	struct forms f;

	if (!rules->first)
		return;
	f = forms_of(rules, path, NULL, room);
	rule_access(rules_of(rules, path), a);
	for (const struct rule *rule = rules->first; rule && !matches(rule, &f); rule = rule->next)
		if ((*f.path && may_match_below(rule->pattern, f.path)) ||
		    (*f.full && may_match_below(rule->pattern, f.full)))
			restrict_access(rule, options, a);
}

uint64_t rules_ttl(const struct rules *rules, const char *path, uint64_t ttl)
{
	const struct rule *rule = rules_of(rules, path);

	return rule && (rule->has & RULE_TTL) ? rule->ttl : ttl;
}
