/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_OUTLINE_H
#define NODE_OUTLINE_H

#include "kv/kv_version.h"

/* What is remembered of a version when it is gone: its fields' names, and of each value a keyed digest,
 * by which one tells what a later version has changed. */
struct outline;

/* A key for digests, made at random: one for all outlines that are compared. NULL: no memory. */
struct outline_key;
struct outline_key *outline_key_new(void);
void outline_key_free(struct outline_key *key);

/* Heap; NULL: no memory. */
struct outline *outline_new(const struct outline_key *key, const struct kv_version *v);
void outline_free(struct outline *o);

/* Whether it is of that very version, in that state. */
bool outline_is_of(const struct outline *o, const struct kv_version *v);

/* Whether both are of the same fields with the same values in different eras: nobody has changed them.
 * NULL is of nothing. */
bool outline_is_moved(const struct outline *a, const struct outline *b);

enum kv_state outline_state(const struct outline *o);

/* Whether it has that field; and whether the field there is another than in `o`, or in none of them.
 * `o` NULL has no fields. */
bool outline_has(const struct outline *o, const char *name, size_t len);
bool outline_differs(const struct outline *o, const struct outline *now, const char *name,
		     size_t len);

/* The names, from the first: moves *at, which starts as 0. NULL after the last. */
const char *outline_next(const struct outline *o, size_t *at, size_t *len);

#endif
