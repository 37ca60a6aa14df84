/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_CHANGES_H
#define CLI_CHANGES_H

#include "conf/conf.h"
#include "watch/watch.h"

struct event;
struct feed;

/* What a mount has that looks for changes and tells of them. Zeroed at first. */
struct changes {
	struct feed *feed;
	struct watch *watch;
};

/* Before there is a tree. 0 or -errno. */
int changes_open(struct changes *c, struct err *err);

/* For fs_config.happened; `arg` is the struct. */
void changes_happened(void *arg, const struct event *e);

/* Begins to look for changes in the tree of `config`, of which the rest is filled in. */
int changes_watch(struct changes *c, const struct conf *conf, struct watch_config config,
		  struct err *err);

/* Before the pool ends; after the timers have; when no reader is left. */
void changes_stop(struct changes *c);
void changes_end(struct changes *c);
void changes_close(struct changes *c);

#endif
