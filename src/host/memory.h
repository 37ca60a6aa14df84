/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOST_MEMORY_H
#define HOST_MEMORY_H

#include <stddef.h>

/* No core of this process holds anything, not even one that root forces: before secrets are read. */
void memory_no_dumps(void);

/* Raises the limit on locked memory as far as it goes; how many bytes may be locked then, SIZE_MAX
 * where nothing bounds it. */
size_t memory_raise_lock_limit(void);

/* Locks the whole process where nothing bounds it. In the process that stays: a fork inherits no
 * locks. Never fails: what must be locked is locked by itself, and says so. */
void memory_lock(void);

#endif
