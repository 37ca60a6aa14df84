// SPDX-License-Identifier: Apache-2.0
/* Sections of the configuration file that hold for paths: read, checked and kept. rule/ applies
 * them to files and commits. */

#include "conf/rule.h"

#include "base/cleanup.h"
#include "conf/option.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD	"[path \""
#define TAIL	"\"]"
#define BLANKS	" \t"
#define MATCHES "match."
#define NAMES                                                                                      \
	"owner, group, mode, dir_mode, ttl, newline, binary, require, allow, match.FIELD, "        \
	"max_size"

#define AT(member) .offset = offsetof(struct rule, member)

/* Settings whose value is a number. */
static const struct setting {
	struct option option;
	unsigned bit;
} settings[] = {
	{{.name = "owner", .type = OPTION_USER, AT(owner)}, RULE_OWNER},
	{{.name = "group", .type = OPTION_GROUP, AT(group)}, RULE_GROUP},
	{{.name = "mode", .type = OPTION_MODE, AT(mode)}, RULE_MODE},
	{{.name = "dir_mode", .type = OPTION_MODE, AT(dir_mode)}, RULE_DIR_MODE},
	{{.name = "ttl", .type = OPTION_DURATION, AT(ttl)}, RULE_TTL},
	{{.name = "newline", .type = OPTION_CHOICE, .choices = "keep strip", AT(newline)},
	 RULE_NEWLINE},
	{{.name = "binary", .type = OPTION_CHOICE, .choices = "base64 reject", AT(binary)},
	 RULE_BINARY},
	{{.name = "max_size", .type = OPTION_SIZE, AT(max_size)}, RULE_MAX_SIZE},
};

int rule_add(struct rule **list, const char *head, struct rule **out, struct err *err)
{
	size_t len = strlen(head), open = strlen(HEAD), close = strlen(TAIL);
	struct rule *rule;

	while (len && strchr(BLANKS "\r\n", head[len - 1]))
		len--;
	if (len <= open + close || strncmp(head, HEAD, open) != 0 ||
	    strncmp(head + len - close, TAIL, close) != 0)
		return err_set(err, EINVAL,
			       "no section %.*s is known: expected [path \"PATTERN\"], as in "
			       "[path \"app/tls/*\"], or [on_change \"PATTERN\"]",
			       (int)len, head);
	len -= open + close;
	rule = calloc(1, sizeof(*rule) + len + 1);
	if (!rule)
		return err_set(err, ENOMEM, "no memory");
	memcpy(rule->pattern, head + open, len);
	/* A path does not begin with a slash. */
	memmove(rule->pattern, rule->pattern + strspn(rule->pattern, "/"),
		len + 1 - strspn(rule->pattern, "/"));
	while (*list)
		list = &(*list)->next;
	*list = *out = rule;
	return 0;
}

bool rule_names_have(const struct rule_names *names, const char *name, size_t len)
{
	for (size_t i = 0; i < names->count; i++)
		if (strlen(names->names[i]) == len && !memcmp(names->names[i], name, len))
			return true;
	return false;
}

/* Adds the names in a row to those of earlier rows. */
static int add_names(struct rule_names *to, const char *value, struct err *err)
{
	while (*(value += strspn(value, BLANKS))) {
		size_t len = strcspn(value, BLANKS);
		char **names = realloc(to->names, (to->count + 1) * sizeof(*names));

		if (names)
			to->names = names;
		if (!names || !(names[to->count] = strndup(value, len)))
			return err_set(err, ENOMEM, "no memory");
		to->count++;
		value += len;
	}
	return 0;
}

static int add_match(struct rule *rule, const char *field, const char *regex, struct err *err)
{
	struct rule_match *m = calloc(1, sizeof(*m) + strlen(field) + 1), **at = &rule->matches;
	char why[100];
	int r;

	if (!m)
		return err_set(err, ENOMEM, "no memory");
	strcpy(m->field, field);
	r = *field && *regex ? regcomp(&m->regex, regex, REG_EXTENDED | REG_NOSUB) : REG_BADPAT;
	if (r != 0) {
		if (*field && *regex)
			regerror(r, &m->regex, why, sizeof(why));
		else
			strcpy(why, "nothing is there");
		free(m);
		return err_set(err, EINVAL,
			       MATCHES "%s=%s: expected " MATCHES
				       "FIELD=REGEX, a regular expression as grep -E has them: %s",
			       field, regex, why);
	}
	while (*at)
		at = &(*at)->next;
	*at = m;
	return 0;
}

int rule_set(struct rule *rule, const char *name, const char *value, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		const struct setting *s = &settings[i];

		if (strcmp(s->option.name, name) != 0)
			continue;
		rule->has |= s->bit;
		return option_parse(&s->option, value,
				    (uint64_t *)((char *)rule + s->option.offset), err);
	}
	if (!strcmp(name, "require"))
		return *value ? add_names(&rule->require, value, err)
			      : err_set(err, EINVAL, "require needs names of fields");
	if (!strcmp(name, "allow")) {
		rule->has |= RULE_ALLOW;
		return *value ? add_names(&rule->allow, value, err)
			      : err_set(err, EINVAL, "allow needs names of fields");
	}
	if (!strncmp(name, MATCHES, strlen(MATCHES)))
		return add_match(rule, name + strlen(MATCHES), value, err);
	if (option_find(name, strlen(name)))
		return err_set(err, EINVAL,
			       "%s is an option of the mount, and stands before the first section; "
			       "a [path] section takes " NAMES,
			       name);
	return err_set(err, EINVAL, "%s is not known in a [path] section: it takes " NAMES, name);
}

static void free_names(struct rule_names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->names[i]);
	free(names->names);
}

static void free_matches(struct rule_match *m)
{
	while (m) {
		struct rule_match *next = m->next;

		regfree(&m->regex);
		free(m);
		m = next;
	}
}

void rules_free(struct rule *list)
{
	while (list) {
		struct rule *next = list->next;

		free_names(&list->require);
		free_names(&list->allow);
		free_matches(list->matches);
		free(list);
		list = next;
	}
}
