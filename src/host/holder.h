/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOST_HOLDER_H
#define HOST_HOLDER_H

#include <stdint.h>
#include <sys/types.h>

/* Whether a process has a file open, by /proc. Opens no file outside of /proc. */

enum holding {
	HOLDING_NO,
	HOLDING_YES,
	HOLDING_UNKNOWN, /* /proc does not say: another user's, an old kernel, too many to check */
};

/* Whether the process has a file with that inode number open for writing. A descriptor that is
 * being closed does not count; a process that is gone has none. */
enum holding holder_process(pid_t process, uint64_t ino);

/* Checks the process and all its descendants. */
enum holding holder_family(pid_t process, uint64_t ino);

/* How many generations `ancestor` is above the process; -1: it is no ancestor, or we cannot tell. */
int holder_generations(pid_t process, pid_t ancestor);

#endif
