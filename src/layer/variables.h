/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAYER_VARIABLES_H
#define LAYER_VARIABLES_H

#include "conf/dotenv.h"

#include <stdbool.h>
#include <stddef.h>

/* The variables that may stand for fields, by name, in secret memory. */
struct variables {
	struct variable *rows; /* ascending by name, each once */
	size_t count;
	struct buf bytes;   /* of those of the environment */
	struct dotenv file; /* of those of a file */
};

struct variable {
	const char *name;
	const char *value; /* `len` bytes, then a NUL */
	size_t len;
	bool hidden; /* belongs to the process: only who names it in so many words gets it */
};

/* Takes over the variables of the process and, where `file` is not NULL, those of a .env file that the
 * process has not. Of the process's own, all but those that it, or the libraries in it, still need are
 * zeroed where the process was given them, which is what /proc/PID/environ shows. `v` is for
 * variables_fini() in any case. 0 or -errno with a sentence. */
int variables_take(struct variables *v, const char *file, struct err *err);
void variables_fini(struct variables *v);

/* NULL where there is none. `named`: also one that is hidden. */
const struct variable *variables_find(const struct variables *v, const char *name, bool named);

/* Whether any name that is not hidden begins with these bytes, and goes on. */
bool variables_begin(const struct variables *v, const char *prefix);

/* Whether programs take code, or where to find it, from the variable of that name: PATH, LD_PRELOAD,
 * BASH_ENV, PYTHONPATH and their like. Who may write a secret is not to run programs by it. */
bool variables_run_code(const char *name);

#endif
