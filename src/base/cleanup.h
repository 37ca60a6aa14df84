/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_CLEANUP_H
#define BASE_CLEANUP_H

/* Resources are declared with their cleanup, so that any line may return; steal() lets a resource outlive
 * its scope. */

#include <stdlib.h>
#include <unistd.h>

/* Some variables exist for their cleanup alone; clang would call them unused. */
#define _cleanup_(f)	__attribute__((cleanup(f), unused))
#define _printf_(f, a)	__attribute__((format(printf, f, a)))
#define _cleanup_free_	_cleanup_(cleanup_free)
#define _cleanup_close_ _cleanup_(cleanup_close)

/* Empties the variable and yields what it held. */
#define steal(var)                                                                                 \
	({                                                                                         \
		__typeof__(var) stolen_ = (var);                                                   \
		(var) = (__typeof__(var))0;                                                        \
		stolen_;                                                                           \
	})

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define ARRAY_SIZE(a)			(sizeof(a) / sizeof((a)[0]))

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#endif
