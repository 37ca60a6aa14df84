/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_OBJECT_H
#define BASE_OBJECT_H

#include <stddef.h>

/* An object that a cache shares with its readers: counted, and immutable once shared. It is the first
 * member of such a structure. */
struct object {
	int refs;    /* atomic */
	size_t size; /* bytes that it holds, for caches that bound their memory */
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
