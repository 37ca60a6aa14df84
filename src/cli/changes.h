/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_CHANGES_H
#define CLI_CHANGES_H

#include "conf/conf.h"
#include "watch/watch.h"

struct event;
struct feed;
struct hooks;
struct runner;

/* The parts of a mount that watch for changes and report them. Zeroed at first. */
struct changes {
	struct feed *feed;
	struct watch *watch;
	struct runner *runner; /* NULL: there are no commands */
	struct hooks *hooks;
};

/* Call it before there are threads. 0 or -errno. */
int changes_fork(struct changes *c, const struct conf *conf, struct err *err);

/* Call it before there is a tree. 0 or -errno. */
int changes_open(struct changes *c, struct err *err);

/* For fs_config.happened; `arg` is the struct. */
void changes_happened(void *arg, const struct event *e);

/* Begins to watch the tree of `config`; fills in the rest of `config`. `dir`: the mount point,
 * borrowed. */
int changes_watch(struct changes *c, const struct conf *conf, struct watch_config config,
		  const char *dir, struct err *err);

/* Call these before the pool ends; after the timers have ended; and when no reader is left. */
void changes_stop(struct changes *c);
void changes_end(struct changes *c);
void changes_close(struct changes *c);

#endif
