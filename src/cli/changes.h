/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_CHANGES_H
#define CLI_CHANGES_H

#include "conf/conf.h"
#include "watch/watch.h"

struct event;
struct feed;
struct hooks;
struct runner;

/* What a mount has that looks for changes and tells of them. Zeroed at first. */
struct changes {
	struct feed *feed;
	struct watch *watch;
	struct runner *runner; /* NULL: there is nothing to run */
	struct hooks *hooks;
};

/* Before there are threads. 0 or -errno. */
int changes_fork(struct changes *c, const struct conf *conf, struct err *err);

/* Before there is a tree. 0 or -errno. */
int changes_open(struct changes *c, struct err *err);

/* For fs_config.happened; `arg` is the struct. */
void changes_happened(void *arg, const struct event *e);

/* Begins to look for changes in the tree of `config`, of which the rest is filled in; `dir`: where it is
 * mounted, borrowed. */
int changes_watch(struct changes *c, const struct conf *conf, struct watch_config config,
		  const char *dir, struct err *err);

/* Before the pool ends; after the timers have; when no reader is left. */
void changes_stop(struct changes *c);
void changes_end(struct changes *c);
void changes_close(struct changes *c);

#endif
