/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_DIR_WATCH_H
#define NODE_DIR_WATCH_H

#include <stdbool.h>
#include <stdint.h>

/* What watch/ needs to know of a directory. */
struct dir_watch {
	uint64_t used, listed; /* clock_mono() when somebody asked for its secret, its names */
	bool held;	       /* nobody has asked for long, but the kernel holds it for somebody */
	uint64_t answered;     /* its parent's listing has told that nothing has changed */
	bool hooked;	       /* something is to be done when it changes */
	bool judged;	       /* `hooked` is set */
	uint64_t probed;       /* when the kernel was asked last to let go of it */
	bool by_data;	       /* its metadata is refused */
	uint64_t refused_until; /* so is its listing */
	uint64_t polled, settled;
};

#endif
