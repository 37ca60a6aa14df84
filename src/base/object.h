/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_OBJECT_H
#define BASE_OBJECT_H

#include <stddef.h>

/* What is shared between a cache and those who read from it: counted, and not changed once shared.
 * The first member of the structures that are. */
struct object {
	int refs;    /* atomic */
	size_t size; /* bytes that it holds, for who bounds them */
	void (*free)(struct object *);
};

static inline void *object_ref(void *p)
{
	struct object *o = p;

	if (o)
		__atomic_add_fetch(&o->refs, 1, __ATOMIC_RELAXED);
	return p;
}

static inline void object_put(void *p)
{
	struct object *o = p;

	if (o && __atomic_sub_fetch(&o->refs, 1, __ATOMIC_ACQ_REL) == 0)
		o->free(o);
}

static inline void cleanup_object(void *p)
{
	object_put(*(void **)p);
}
#define _cleanup_object_ __attribute__((cleanup(cleanup_object)))

#endif
