/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOST_STAMP_H
#define HOST_STAMP_H

#include <stdbool.h>
#include <stdint.h>

/* Tells one state of a file from another; times in nanoseconds. */
struct stamp {
	uint64_t device, inode, size, changed;
};

/* Whether the file exists, is not empty, and differs from `seen`; then updates `seen`. */
bool stamp_changed(const char *path, struct stamp *seen);

#endif
