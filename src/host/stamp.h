/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOST_STAMP_H
#define HOST_STAMP_H

#include <stdbool.h>
#include <stdint.h>

/* What tells one state of a file from another; times in nanoseconds. */
struct stamp {
	uint64_t device, inode, size, changed;
};

/* Whether the file is there, has something in it, and is not as it was `seen`; which is brought up to
 * it. */
bool stamp_changed(const char *path, struct stamp *seen);

#endif
