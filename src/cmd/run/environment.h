/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_RUN_ENVIRONMENT_H
#define CMD_RUN_ENVIRONMENT_H

#include "base/cleanup.h"

#include <stdbool.h>
#include <stddef.h>

/* An environment for a program that we start. Values are in secret memory. */
struct environment {
	char **vars; /* "NAME=VALUE", ended by NULL; secret memory */
	size_t count, room;
};

/* Sets a variable, replacing one of that name. 0, -ENOMEM, or -EINVAL if the value holds NUL. */
int environment_set(struct environment *e, const char *name, const char *value, size_t len);

/* Adds our variables that begin with `prefix` ("": all). 0 or -ENOMEM. */
int environment_add_ours(struct environment *e, const char *prefix);

bool environment_has(const struct environment *e, const char *name);

void environment_fini(struct environment *e);
#define _cleanup_environment_ _cleanup_(environment_fini)

#endif
