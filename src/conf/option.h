/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONF_OPTION_H
#define CONF_OPTION_H

#include "conf/conf.h"

/* Options are data: one row each, read by the parsers, --help and the check of the manual. */

enum option_type {
	OPTION_STRING,
	OPTION_ADDRESSES, /* a string; repeating it in one layer appends, after a comma */
	OPTION_FILE,	  /* a string, made absolute: the daemon leaves its directory */
	OPTION_BOOL,
	OPTION_NUMBER,
	OPTION_RATE, /* a number, rounded up; a following ":BURST" is ignored */
	OPTION_SIZE,
	OPTION_DURATION,
	OPTION_MODE,
	OPTION_USER,
	OPTION_GROUP,
	OPTION_CHOICE,
	OPTION_SECRET,	/* only from the environment */
	OPTION_IGNORED, /* mount(8) passes it; it has no meaning here */
};

#define OPTION_ENV_MAX 5

struct option {
	const char *name;    /* as in -o and in the file; NULL: only from the environment */
	const char *meaning; /* of the value: "FILE"; NULL for OPTION_BOOL */
	const char *preset;  /* NULL: none */
	bool empties;	     /* a string whose empty value is not replaced by the preset */
	bool lines;	     /* a string that may hold line breaks: PEM */
	const char *help;
	const char *env[OPTION_ENV_MAX]; /* the strongest first */
	const char *choices;		 /* "hide purge" */
	enum option_type type;
	size_t offset; /* in struct conf */
	size_t replaces
		[2]; /* offsets in struct conf of strings that this option replaces; 0: none */
	uint64_t min, max;
};

/* The rows; *count of them. */
const struct option *option_table(size_t *count);

/* The row of this name, or NULL. */
const struct option *option_find(const char *name, size_t len);

/* Sets an option from text; `value` is NULL for a bare name. 0, -ENOMEM, or -EINVAL with a
 * sentence. */
int option_set(struct conf *c, const struct option *o, const char *value, struct err *err);

/* There are several ways to give a token, a password and so on, and one wins: the option that was
 * just set clears the others, which a weaker layer has set. */
void option_replace(struct conf *c, const struct option *o);

/* Parses a value of a type that is kept as a number: OPTION_NUMBER to OPTION_CHOICE. 0, or -EINVAL
 * with a sentence. */
int option_parse(const struct option *o, const char *value, uint64_t *to, struct err *err);

#endif
