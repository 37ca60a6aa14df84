/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FS_FS_H
#define FS_FS_H

#include "fs/helper.h"

#include "base/err.h"
#include "base/pool.h"
#include "base/timer.h"

#include <stdbool.h>
#include <stdint.h>

/* The FUSE side: requests of the kernel become calls of the tree, answers and changes go back. The
 * only user of libfuse. */
struct fs;
struct tree;
struct notice;
struct feed;
struct event;

struct fs_config {
	struct pool *pool;
	struct timers *timers;
	struct helpers helpers;
	struct feed *feed; /* what .vault/events reads */
	/* Told of each change when all who look see it; must not block for long. */
	void (*happened)(void *arg, const struct event *e);
	void *arg;
	const char *dir;    /* the mount point, absolute */
	const char *source; /* what mount(8) shows as the device */
	bool allow_other, auto_unmount;
	bool io_uring;	  /* see fs_check_io_uring() */
	bool read_only;	  /* changes of attributes are refused too */
	bool fast_open;	  /* opens stay in the kernel, which mounts read-only and checks modes */
	uint64_t timeout; /* ns, for one request */
};

/* Whether this build can: 0, or -EOPNOTSUPP. Where the kernel does not allow it the log says so, and the
 * mount goes on without. */
int fs_check_io_uring(struct err *err);

/* Borrows what the config points to. NULL with `err` set. */
struct fs *fs_new(const struct fs_config *config, struct err *err);

/* For tree_config.changed; `arg` is the fs. */
void fs_changed(void *arg, struct notice *notice);

/* Mounts; from then on `tree` is used. 0 or -errno. */
int fs_mount(struct fs *fs, struct tree *tree, struct err *err);

/* Serves the kernel until it is unmounted or fs_stop() was called. 0 or -errno. */
int fs_loop(struct fs *fs);

/* From any thread, once: answers those who wait, and ends the loop. */
void fs_stop(struct fs *fs);

/* After the loop: lets what was begun end, so that the pool may be freed. */
void fs_finish(struct fs *fs);

/* Unmounts if that is still to do. NULL is fine. */
void fs_free(struct fs *fs);

#endif
