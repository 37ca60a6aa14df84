/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOST_DETACH_H
#define HOST_DETACH_H

#include "base/err.h"

#include <stdbool.h>

/* The daemon and the command that started it: the command waits until the daemon is ready, and
 * passes on its result. */
struct detach {
	int report; /* in the daemon: the pipe for its result; -1: reported, or not detached */
};

/* Forks. In the child *parent is false, and its directory is "/". In the parent it returns when the
 * child has reported or died: *parent is true, and *status and `word` are the child's. */
int detach_fork(struct detach *d, bool *parent, int *status, struct err *word);

/* Makes the daemon a session of its own. Call it after mounting: on an automount point, every
 * process outside of the automounter's process group would wait for the mount. */
void detach_session(void);

/* Reports status 0, or the error. A second call does nothing. */
void detach_report(struct detach *d, int status, const struct err *word);

/* Lets go of the terminal; `keep_stderr` if the log goes there. */
void detach_streams(bool keep_stderr);

/* Notifies systemd ("READY=1"), if it has started us. */
void detach_notify(const char *state);

#endif
