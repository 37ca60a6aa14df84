/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAYER_VARIABLES_H
#define LAYER_VARIABLES_H

#include "conf/dotenv.h"

#include <stdbool.h>
#include <stddef.h>

/* The variables that may provide fields, by name, in secret memory. */
struct variables {
	struct variable *rows; /* ascending by name, each once */
	size_t count;
	struct buf bytes;   /* of the environment's variables */
	struct dotenv file; /* the file's variables */
};

struct variable {
	const char *name;
	const char *value; /* `len` bytes, then a NUL */
	size_t len;
	bool hidden; /* belongs to the process: only an explicit name in the map finds it */
};

/* Takes the variables of the process, and if `file` is not NULL those of a .env file that the
 * process does not have. Zeroes the process's own where it received them, since /proc/PID/environ
 * shows them there, except those that it, or the libraries in it, still need. variables_fini() in
 * any case. 0 or -errno with a sentence. */
int variables_take(struct variables *v, const char *file, struct err *err);
void variables_fini(struct variables *v);

/* The variable, or NULL. `named`: find hidden ones too. */
const struct variable *variables_find(const struct variables *v, const char *name, bool named);

/* Whether any name that is not hidden begins with these bytes, and is longer. */
bool variables_begin(const struct variables *v, const char *prefix);

/* Whether programs take code, or the place of code, from the variable: PATH, LD_PRELOAD, BASH_ENV,
 * PYTHONPATH and the like. Somebody who may write a secret must not run programs by it. */
bool variables_run_code(const char *name);

#endif
