/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOST_MEMORY_H
#define HOST_MEMORY_H

#include <stddef.h>

/* Makes core dumps of this process empty, even those that root forces. Call it before reading
 * secrets. */
void memory_no_dumps(void);

/* Raises the limit on locked memory as far as it goes. Returns how many bytes may be locked;
 * SIZE_MAX: no limit. */
size_t memory_raise_lock_limit(void);

/* Locks the whole process if there is no limit. Call it after the last fork, which inherits no
 * locks. Never fails: memory that must be locked is locked separately, and reports its own
 * failure. */
void memory_lock(void);

#endif
