// SPDX-License-Identifier: Apache-2.0
/* Requests that make and take names: MKDIR, RMDIR, UNLINK, RENAME, and those that are refused. */

#include "fs/internal.h"

#include <errno.h>
#include <fcntl.h>

static void reply_done(struct call *c)
{
	fuse_reply_err(c->req, 0);
}

static int run_mkdir(struct call *c)
{
	struct request rq = call_request(c);

	return edit_mkdir(c->fs->tree, c->node, c->name, &rq, &c->view);
}

static void reply_entry(struct call *c)
{
	struct fuse_entry_param e = call_entry(c);

	if (fuse_reply_entry(c->req, &e) != 0)
		tree_forget(c->fs->tree, c->view.node, 1);
}

static int run_rmdir(struct call *c)
{
	struct request rq = call_request(c);

	return edit_rmdir(c->fs->tree, c->node, c->name, &rq);
}

static int run_unlink(struct call *c)
{
	struct request rq = call_request(c);

	return edit_unlink(c->fs->tree, c->node, c->name, &rq);
}

static int run_rename(struct call *c)
{
	struct request rq = call_request(c);

	return edit_rename(c->fs->tree, c->node, c->name, c->node2, c->name2, (unsigned)c->flags,
			   &rq);
}

static const struct op mkdir_op = {
	.name = "mkdir", .pool = true, .run = run_mkdir, .reply = reply_entry};
static const struct op rmdir_op = {
	.name = "rmdir", .pool = true, .run = run_rmdir, .reply = reply_done};
static const struct op unlink_op = {
	.name = "unlink", .pool = true, .run = run_unlink, .reply = reply_done};
static const struct op rename_op = {
	.name = "rename", .pool = true, .run = run_rename, .reply = reply_done};

static void start(fuse_req_t req, const struct op *op, fuse_ino_t parent, const char *name)
{
	struct fs *fs = fs_of(req);
	struct call c = call_init(fs, req, op);

	c.node = call_node(fs, parent);
	c.name = name;
	call_start(&c);
}

static void fs_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	if (fs_own(req))
		own_make(req, parent, name);
	else
		start(req, &mkdir_op, parent, name);
}

static void fs_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	if (fs_own(req))
		own_remove(req, parent, name);
	else
		start(req, &rmdir_op, parent, name);
}

static void fs_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	if (fs_own(req))
		own_remove(req, parent, name);
	else
		start(req, &unlink_op, parent, name);
}

static void fs_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
		      const char *new_name, unsigned flags)
{
	struct fs *fs = fs_of(req);
	struct call c = call_init(fs, req, &rename_op);

	c.node = call_node(fs, parent);
	c.name = name;
	c.node2 = call_node(fs, new_parent);
	c.name2 = new_name;
	c.flags = (int)flags;
	call_start(&c);
}

/* A secret has no links and no devices. */
static void fs_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	fuse_reply_err(req, EPERM);
}

static void fs_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name)
{
	fuse_reply_err(req, EPERM);
}

/* A file that is made and not opened: tar --xattrs does that, to set attributes before the content. */
static int run_mknod(struct call *c)
{
	struct request rq = call_request(c);
	int r = edit_create(c->fs->tree, c->node, c->name, O_WRONLY | O_CREAT | O_EXCL, c->mode,
			    &rq, &c->view, &c->handle);

	if (r != 0)
		return r;
	edit_release(c->fs->tree, c->handle, &rq); /* from memory: nothing is pending */
	return 0;
}

static const struct op mknod_op = {
	.name = "mknod", .pool = true, .run = run_mknod, .reply = reply_entry};

static void fs_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t dev)
{
	struct fs *fs = fs_of(req);
	struct call c = call_init(fs, req, &mknod_op);

	if (fs_drops(req, parent, name)) {
		fuse_reply_err(req, EEXIST);
		return;
	}
	if (fs_own(req)) {
		own_make(req, parent, name);
		return;
	}
	c.node = call_node(fs, parent);
	c.name = name;
	c.mode = mode;
	if (S_ISREG(mode))
		call_start(&c);
	else
		fuse_reply_err(req, EPERM);
}

void ops_name(struct fuse_lowlevel_ops *ops)
{
	ops->mkdir = fs_mkdir;
	ops->rmdir = fs_rmdir;
	ops->unlink = fs_unlink;
	ops->rename = fs_rename;
	ops->symlink = fs_symlink;
	ops->link = fs_link;
	ops->mknod = fs_mknod;
}
