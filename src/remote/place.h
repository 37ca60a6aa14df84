/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REMOTE_PLACE_H
#define REMOTE_PLACE_H

#include "base/err.h"
#include "vault/mounts.h"

#include <stddef.h>
#include <stdint.h>

/* What a word of the command line means: a path of the server, and perhaps a field of a secret. */
struct place {
	char *full;	  /* "secret/app/db" */
	const char *path; /* within its engine: the end of `full`; set by remote_find() */
	char *field;	  /* NULL: none is named. What holds NUL cannot be named */
	int64_t version;  /* of place_parse_version(); 0: the latest */
};

/* "secret/app/db", "secret/app/db#password"; slashes too many do not count. What is after the last '#'
 * is a field; one that is the last character names none. A slash alone is all engines, "" in `full`.
 * "/run/secrets/db/password", "./db": in a mount of ours, which knows of what it is, there or not there
 * yet. 0, -ENOMEM, or -EINVAL and the like with a sentence. place_fini() in any case. */
int place_parse(struct place *place, const char *word, struct err *err);
/* The same; "db/.vault/versions/3/password" of a mount names a version too. */
int place_parse_version(struct place *place, const char *word, struct err *err);
void place_fini(struct place *place);

/* The reference to a path, or (not NULL) to a field of it, as `vaultfs resolve` reads it:
 * "vault://PATH#FIELD", what it could not hold as %XX. */
struct buf;
void place_print_reference(const char *path, const char *field, struct buf *to);

/* Leaves one slash between two names, and none at either end. */
void place_tidy(char *path);

#define _cleanup_place_ _cleanup_(place_fini)

#endif
