/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_DIR_WATCH_H
#define NODE_DIR_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What watch/ needs to know of a directory. */
struct dir_watch {
	uint64_t used, listed; /* clock_mono() when somebody asked for its secret, its names */
	bool held;	       /* nobody has asked for long, but the kernel holds it for somebody */
	uint64_t due;	       /* clock_mono() when its secret is to be looked at; 0: not set */
	uint64_t folder_due;   /* the same of its names */
	uint64_t ours;	       /* clock_mono() when the mount's owner or root asked for it */
	uid_t uid;	       /* who else has asked last */
	bool hooked;	       /* something is to be done when it changes */
	bool judged;	       /* `hooked` is set */
	uint64_t probed;       /* when the kernel was asked last to let go of it */
	bool by_data;	       /* its metadata is refused */
	uint64_t refused_until; /* so is its listing */
	uint64_t polled, settled;
};

#endif
