/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOST_HOLDER_H
#define HOST_HOLDER_H

#include <stdint.h>
#include <sys/types.h>

/* Who has a file open, as far as /proc tells: for that no file is opened but those of /proc. */

enum holding {
	HOLDING_NO,
	HOLDING_YES,
	HOLDING_UNKNOWN, /* /proc does not say: another user's, an old kernel, too many to look at */
};

/* Whether the process has a file with that inode number open for writing. A descriptor that is being
 * closed does not count, and a process that is gone has none. */
enum holding holder_process(pid_t process, uint64_t ino);

/* The same of the process and of all that descend from it. */
enum holding holder_family(pid_t process, uint64_t ino);

/* How many generations `ancestor` is above the process; -1: it is none, or that cannot be told. */
int holder_generations(pid_t process, pid_t ancestor);

#endif
