/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOST_DETACH_H
#define HOST_DETACH_H

#include "base/err.h"

#include <stdbool.h>

/* A daemon and the command that started it: the command waits until the daemon is ready, and ends
 * with its word. */
struct detach {
	int report; /* in the daemon: where its word goes; -1: said, or not detached */
};

/* Forks. In the child *parent is false; it is in "/" then. In the parent it
 * returns when the child has spoken or died: *parent is true, and *status and `word` are the child's. */
int detach_fork(struct detach *d, bool *parent, int *status, struct err *word);

/* Makes the daemon a session of its own. Not before it has mounted: where the directory is an
 * automount point, all but the process group of its keeper wait there for the mount. */
void detach_session(void);

/* The daemon's word: status 0, or why not. Once; a second time nothing happens. */
void detach_report(struct detach *d, int status, const struct err *word);

/* Lets go of the terminal; `keep_stderr` where the log goes there. */
void detach_streams(bool keep_stderr);

/* Tells systemd, where it has started us ("READY=1"). */
void detach_notify(const char *state);

#endif
