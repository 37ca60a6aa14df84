// SPDX-License-Identifier: Apache-2.0
/* Requests about names and attributes: LOOKUP, FORGET, GETATTR, SETATTR, ACCESS, STATFS. */

#include "fs/internal.h"

#include "node/name.h"

#include <errno.h>
#include <string.h>

#define BLOCKS (1u << 20)

static int run_lookup(struct call *c)
{
	return tree_lookup(c->fs->tree, c->node, c->name, &c->ask, &c->view, &c->err);
}

static void reply_lookup(struct call *c)
{
	struct fuse_entry_param e = call_entry(c);
	struct tree *t = c->fs->tree;

	if (c->view.first)
		tree_hold(t, c->view.node);
	/* The kernel forgets nothing that it never heard of. */
	if (fuse_reply_entry(c->req, &e) != 0 && c->view.node)
		tree_forget(t, c->view.node, 1);
	if (c->view.first) {
		tree_told(t, &c->view);
		tree_forget(t, c->view.node, 1);
	}
}

static const struct op lookup = {
	.name = "lookup", .names = true, .run = run_lookup, .reply = reply_lookup};

static void fs_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fs *fs = fs_of(req);
	struct call c = call_init(fs, req, &lookup);

	if (fs_drops(req, parent, name)) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	if (fs_own(req) && !strcmp(name, CLEAR_NAME) && own_clear(req))
		return;
	c.node = call_node(fs, parent);
	c.name = name;
	call_start(&c);
}

static void forget(struct fs *fs, fuse_ino_t ino, uint64_t n)
{
	if (ino != FUSE_ROOT_ID)
		tree_forget(fs->tree, call_node(fs, ino), n);
}

static void fs_forget(fuse_req_t req, fuse_ino_t ino, uint64_t n)
{
	forget(fs_of(req), ino, n);
	fuse_reply_none(req);
}

static void fs_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	for (size_t i = 0; i < count; i++)
		forget(fs_of(req), forgets[i].ino, forgets[i].nlookup);
	fuse_reply_none(req);
}

static int run_getattr(struct call *c)
{
	size_t size;
	int r = tree_getattr(c->fs->tree, c->node, &c->caller, &c->ask, &c->view, &c->err);

	/* Who writes a file sees what it has written, and nobody else does. */
	if (r == 0 && edit_size_for(c->fs->tree, c->node, c->handle, c->caller.pid, &size)) {
		c->view.attr.st_size = (off_t)size;
		c->view.attr_ttl = 0;
	}
	return r;
}

static void reply_attr(struct call *c)
{
	fuse_reply_attr(c->req, &c->view.attr, call_seconds(c->view.attr_ttl));
}

static const struct op getattr = {.name = "stat", .run = run_getattr, .reply = reply_attr};

static void fs_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct call c = call_init(fs, req, &getattr);

	c.node = call_node(fs, ino);
	c.handle = fi ? (struct handle *)(uintptr_t)fi->fh : NULL;
	call_start(&c);
}

/* Modes and owners are those of the options, and a file's times those of its version; setting them is
 * accepted and forgotten, so that cp -a and tar go through. */
static int run_setattr(struct call *c)
{
	if (c->fs->config.read_only)
		return -EROFS;
	edit_set_times(c->fs->tree, c->node, c->times);
	return run_getattr(c);
}

static const struct op setattr = {.name = "setattr", .run = run_setattr, .reply = reply_attr};

static int run_ftruncate(struct call *c)
{
	int r = edit_truncate(c->handle, c->size);

	return r < 0 ? r : run_getattr(c);
}

static const struct op ftruncate_op = {
	.name = "ftruncate", .run = run_ftruncate, .reply = reply_attr};

static int run_truncate(struct call *c)
{
	struct request rq = call_request(c);
	int r = c->changed ? 0 : edit_resize(c->fs->tree, c->node, c->size, &rq);

	if (r != 0)
		return r;
	c->changed = true;
	return run_getattr(c);
}

static const struct op truncate_op = {
	.name = "truncate", .pool = true, .run = run_truncate, .reply = reply_attr};

/* One of the two times that a request sets. */
static struct timespec given_time(const struct timespec *t, int to_set, int is_set, int is_now)
{
	if (to_set & is_now)
		return (struct timespec){.tv_nsec = UTIME_NOW};
	return to_set & is_set ? *t : (struct timespec){.tv_nsec = UTIME_OMIT};
}

static void fs_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
		       struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct call c = call_init(fs, req, &setattr);

	if (fs_own(req)) {
		own_setattr(req, ino);
		return;
	}
	c.node = call_node(fs, ino);
	c.times[0] =
		given_time(&attr->st_atim, to_set, FUSE_SET_ATTR_ATIME, FUSE_SET_ATTR_ATIME_NOW);
	c.times[1] =
		given_time(&attr->st_mtim, to_set, FUSE_SET_ATTR_MTIME, FUSE_SET_ATTR_MTIME_NOW);
	if (to_set & FUSE_SET_ATTR_SIZE) {
		c.size = (size_t)attr->st_size;
		c.handle = fi ? (struct handle *)(uintptr_t)fi->fh : NULL;
		c.op = c.handle && edit_is_draft(c.handle) ? &ftruncate_op : &truncate_op;
	}
	call_start(&c);
}

/* "No" is an answer, and no failure that is to be told of. */
static int run_access(struct call *c)
{
	int r = tree_access(c->fs->tree, c->node, &c->caller, (int)c->mode, &c->ask, &c->err);

	if (r == PARKED)
		return r;
	c->flags = -r;
	return 0;
}

static void reply_access(struct call *c)
{
	fuse_reply_err(c->req, c->flags);
}

static const struct op access_op = {.name = "access", .run = run_access, .reply = reply_access};

static void fs_access(fuse_req_t req, fuse_ino_t ino, int mask)
{
	struct fs *fs = fs_of(req);
	struct call c = call_init(fs, req, &access_op);

	c.node = call_node(fs, ino);
	c.mode = (mode_t)mask;
	call_start(&c);
}

static void fs_statfs(fuse_req_t req, fuse_ino_t ino)
{
	/* Nothing fills up; programs that look first are to find room. */
	struct statvfs s = {.f_bsize = 4096,
			    .f_frsize = 4096,
			    .f_blocks = BLOCKS,
			    .f_bfree = BLOCKS,
			    .f_bavail = BLOCKS,
			    .f_files = BLOCKS,
			    .f_ffree = BLOCKS,
			    .f_favail = BLOCKS,
			    .f_namemax = NAME_BYTES_MAX};

	fuse_reply_statfs(req, &s);
}

void ops_attr(struct fuse_lowlevel_ops *ops)
{
	ops->lookup = fs_lookup;
	ops->forget = fs_forget;
	ops->forget_multi = fs_forget_multi;
	ops->getattr = fs_getattr;
	ops->setattr = fs_setattr;
	ops->access = fs_access;
	ops->statfs = fs_statfs;
}
