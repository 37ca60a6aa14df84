// SPDX-License-Identifier: Apache-2.0
/* Sections of the configuration file with actions for changed secrets: read and checked. watch/ runs
 * them. */

#include "conf/on_change.h"

#include "base/clock.h"
#include "conf/option.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define HEAD	 "[on_change"
#define OPENING	 "[on_change \""
#define TAIL	 "\"]"
#define BLANKS	 " \t"
#define NAMES	 "run, shell, signal, timeout, interval"
#define TIMEOUT	 (30 * NS_PER_SEC)
#define INTERVAL NS_PER_SEC

bool on_change_is_head(const char *line)
{
	return strncmp(line, HEAD, strlen(HEAD)) == 0;
}

int on_change_add(struct on_change **list, const char *head, struct on_change **out,
		  struct err *err)
{
	size_t len = strlen(head), open = strlen(OPENING), close = strlen(TAIL);
	struct on_change *hook;

	while (len && strchr(BLANKS "\r\n", head[len - 1]))
		len--;
	if (len <= open + close || strncmp(head, OPENING, open) != 0 ||
	    strncmp(head + len - close, TAIL, close) != 0)
		return err_set(err, EINVAL, "%.*s: expected [on_change \"PATTERN\"]", (int)len,
			       head);
	head += open;
	len -= open + close;
	while (len && *head == '/') { /* a path does not begin with a slash */
		head++;
		len--;
	}
	hook = calloc(1, sizeof(*hook) + len + 1);
	if (!hook)
		return err_set(err, ENOMEM, "no memory");
	hook->timeout = TIMEOUT;
	hook->interval = INTERVAL;
	memcpy(hook->pattern, head, len);
	while (*list)
		list = &(*list)->next;
	*list = *out = hook;
	return 0;
}

static const struct {
	const char *name;
	int number;
} signals[] = {{"HUP", SIGHUP},	  {"INT", SIGINT},   {"QUIT", SIGQUIT},	 {"USR1", SIGUSR1},
	       {"USR2", SIGUSR2}, {"TERM", SIGTERM}, {"WINCH", SIGWINCH}};

/* "HUP /run/nginx.pid" */
static int set_signal(struct on_change *hook, const char *value, struct err *err)
{
	const char *name = strncmp(value, "SIG", 3) == 0 ? value + 3 : value;
	size_t len = strcspn(name, BLANKS);
	const char *file = name + len + strspn(name + len, BLANKS);

	hook->signal = 0;
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (strlen(signals[i].name) == len && !strncmp(signals[i].name, name, len))
			hook->signal = signals[i].number;
	if (!hook->signal || *file != '/')
		return err_set(err, EINVAL,
			       "signal=%s: expected HUP, INT, QUIT, USR1, USR2, TERM or WINCH, and "
			       "after it the path of a file with the process's number",
			       value);
	free(hook->pid_file);
	hook->pid_file = strdup(file);
	return hook->pid_file ? 0 : err_set(err, ENOMEM, "no memory");
}

static int set_run(struct on_change *hook, const char *value, struct err *err)
{
	free(hook->run);
	hook->run = strdup(value);
	if (!hook->run)
		return err_set(err, ENOMEM, "no memory");
	return *value ? 0 : err_set(err, EINVAL, "run needs a command");
}

int on_change_set(struct on_change *hook, const char *name, const char *value, struct err *err)
{
	static const struct option shell = {
		.name = "shell", .type = OPTION_CHOICE, .choices = "no yes"};
	static const struct option timeout = {.name = "timeout",
					      .type = OPTION_DURATION,
					      .min = NS_PER_MS,
					      .max = 3600 * NS_PER_SEC};
	static const struct option interval = {
		.name = "interval", .type = OPTION_DURATION, .max = 86400 * NS_PER_SEC};

	if (!strcmp(name, "run"))
		return set_run(hook, value, err);
	if (!strcmp(name, "signal"))
		return set_signal(hook, value, err);
	if (!strcmp(name, "shell"))
		return option_parse(&shell, value, &hook->shell, err);
	if (!strcmp(name, "timeout"))
		return option_parse(&timeout, value, &hook->timeout, err);
	if (!strcmp(name, "interval"))
		return option_parse(&interval, value, &hook->interval, err);
	return err_set(err, EINVAL, "%s is not known in an [on_change] section: it takes " NAMES,
		       name);
}

int on_change_check(const struct on_change *list, struct err *err)
{
	for (const struct on_change *h = list; h; h = h->next) {
		char **words = NULL;
		int r;

		if (!h->run == !h->signal)
			return err_set(err, EINVAL,
				       "[on_change \"%s\"] needs one of run and signal",
				       h->pattern);
		if (!h->run || h->shell)
			continue;
		r = on_change_words(h->run, &words);
		if (r == 0 && !words[0])
			r = -EINVAL;
		on_change_words_free(words);
		if (r < 0)
			return err_set(err, -r, "[on_change \"%s\"]: run=%s is no command",
				       h->pattern, h->run);
	}
	return 0;
}

void on_change_free(struct on_change *list)
{
	while (list) {
		struct on_change *next = list->next;

		free(list->run);
		free(list->pid_file);
		free(list);
		list = next;
	}
}

/* Copies one word to `to`, which has room for the rest of the command; moves *p past it. */
static int take_word(const char **p, char *to)
{
	char quote = 0;

	for (; **p && (quote || !strchr(BLANKS, **p)); (*p)++) {
		if (quote && **p == quote)
			quote = 0;
		else if (!quote && (**p == '\'' || **p == '"'))
			quote = **p;
		else if (**p == '\\' && quote != '\'' && (*p)[1])
			*to++ = *++(*p);
		else
			*to++ = **p;
	}
	*to = '\0';
	return quote ? -EINVAL : 0;
}

int on_change_words(const char *command, char ***out)
{
	size_t room = strlen(command) / 2 + 2, count = 0;
	char **words = calloc(room, sizeof(*words));
	const char *p = command;
	int r = words ? 0 : -ENOMEM;

	while (r == 0 && *(p += strspn(p, BLANKS))) {
		words[count] = malloc(strlen(p) + 1);
		r = words[count] ? take_word(&p, words[count]) : -ENOMEM;
		count++;
	}
	if (r < 0) {
		on_change_words_free(words);
		return r;
	}
	*out = words;
	return 0;
}

void on_change_words_free(char **words)
{
	for (char **w = words; w && *w; w++)
		free(*w);
	free(words);
}
