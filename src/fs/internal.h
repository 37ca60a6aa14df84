/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FS_INTERNAL_H
#define FS_INTERNAL_H

#include "fs/call.h"
#include "fs/helper.h"
#include "fs/notify.h"

#include <stdatomic.h>

struct fs {
	struct fs_config config;
	struct tree *tree;
	struct fuse_session *session;
	struct notifier *notifier;
	struct calls calls;
	pthread_t main; /* runs the loop */
	atomic_bool looping;
	bool mounted;
};

/* The families of operations, each of which fills in its part. */
void ops_attr(struct fuse_lowlevel_ops *ops);
void ops_file(struct fuse_lowlevel_ops *ops);
/* After ops_file(): the kernel opens files without us. */
void ops_file_fast(struct fuse_lowlevel_ops *ops);
void ops_dir(struct fuse_lowlevel_ops *ops);
void ops_name(struct fuse_lowlevel_ops *ops);
void ops_xattr(struct fuse_lowlevel_ops *ops);
void ops_events(struct fuse_lowlevel_ops *ops);

/* Reads of .vault/events. */
struct feed_reader;
void events_read(fuse_req_t req, fuse_ino_t ino, size_t size, struct fuse_file_info *fi);

static inline struct fs *fs_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

/* Whether a request comes from a helper of ours, which does nothing but make others see something. */
static inline bool fs_is_own(const struct fs *fs, pid_t pid)
{
	return helper_is(fs->config.helpers.helper, pid) ||
	       helper_is(fs->config.helpers.namer, pid);
}

static inline bool fs_own(fuse_req_t req)
{
	return fs_is_own(fs_of(req), fuse_req_ctx(req)->pid);
}

/* Whether it is of the helper that has the kernel let go of just that name, by asking for it and being
 * told that there is nothing. */
static inline bool fs_drops(fuse_req_t req, fuse_ino_t dir, const char *name)
{
	const struct fs *fs = fs_of(req);

	return helper_is(fs->config.helpers.namer, fuse_req_ctx(req)->pid) &&
	       notifier_drops(fs->notifier, dir, name);
}

/* Answers such requests: nothing is changed by them. */
void own_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
bool own_clear(fuse_req_t req); /* false: there is nothing to clear */
void own_setattr(fuse_req_t req, fuse_ino_t ino);
void own_make(fuse_req_t req, fuse_ino_t parent, const char *name);
void own_remove(fuse_req_t req, fuse_ino_t parent, const char *name);

#endif
