// SPDX-License-Identifier: Apache-2.0
/* The heads and rows of [path] and [on_change], one a line, and the words of a command. */

#include "fuzz.h"

#include "conf/on_change.h"
#include "conf/rule.h"

int fuzz_one(const char *text, size_t len)
{
	_cleanup_free_ char *copy = strdup(text);
	struct rule *rules = NULL, *rule = NULL;
	struct on_change *hooks = NULL, *hook = NULL;
	char *rest = NULL, **words = NULL;

	for (char *l = strtok_r(copy, "\n", &rest); l; l = strtok_r(NULL, "\n", &rest)) {
		char *value = strchr(l, '=');

		if (*l == '[') {
			rule_add(&rules, l, &rule, NULL);
			on_change_add(&hooks, l, &hook, NULL);
		} else if (value) {
			*value++ = '\0';
			if (rule)
				rule_set(rule, l, value, NULL);
			if (hook)
				on_change_set(hook, l, value, NULL);
		}
	}
	on_change_check(hooks, NULL);
	if (on_change_words(text, &words) == 0)
		on_change_words_free(words);
	rules_free(rules);
	on_change_free(hooks);
	return 0;
}
