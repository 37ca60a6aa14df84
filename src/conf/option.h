/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONF_OPTION_H
#define CONF_OPTION_H

#include "conf/conf.h"

/* Options are data: one row each, from which the parsers, --help and the check of the manual read. */

enum option_type {
	OPTION_STRING,
	OPTION_ADDRESSES, /* a string; what the same layer gives again is added, after a comma */
	OPTION_FILE,	  /* a string, made absolute: the daemon does not stay in its directory */
	OPTION_BOOL,
	OPTION_NUMBER,
	OPTION_RATE, /* a number, as whole ones; ":BURST" may follow, and means nothing */
	OPTION_SIZE,
	OPTION_DURATION,
	OPTION_MODE,
	OPTION_USER,
	OPTION_GROUP,
	OPTION_CHOICE,
	OPTION_SECRET,	/* from the environment alone */
	OPTION_IGNORED, /* mount(8) passes it, and means nothing by it here */
};

#define OPTION_ENV_MAX 5

struct option {
	const char *name;    /* as in -o and in the file; NULL: the environment alone */
	const char *meaning; /* of the value: "FILE"; NULL for OPTION_BOOL */
	const char *preset;  /* NULL: nothing */
	bool empties;	     /* a string: the empty one is a value too, and not the preset */
	bool lines;	     /* a string that may hold line breaks: PEM */
	const char *help;
	const char *env[OPTION_ENV_MAX]; /* the strongest first */
	const char *choices;		 /* "hide purge" */
	enum option_type type;
	size_t offset; /* in struct conf */
	size_t replaces
		[2]; /* of strings in struct conf that this one takes the place of; 0: none */
	uint64_t min, max;
};

/* The rows; *count of them. */
const struct option *option_table(size_t *count);

/* NULL where there is none. */
const struct option *option_find(const char *name, size_t len);

/* Sets it from text; `value` is NULL for a bare name. 0, -ENOMEM, or -EINVAL with a sentence. */
int option_set(struct conf *c, const struct option *o, const char *value, struct err *err);

/* There is one way to have a token, a password and so on: this one, which was just set, takes the
 * place of the others that a weaker layer has set. */
void option_replace(struct conf *c, const struct option *o);

/* Reads a value of a type that is kept as a number, OPTION_NUMBER to OPTION_CHOICE but for strings and
 * OPTION_BOOL. 0, or -EINVAL with a sentence. */
int option_parse(const struct option *o, const char *value, uint64_t *to, struct err *err);

#endif
