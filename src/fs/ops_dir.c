// SPDX-License-Identifier: Apache-2.0
/* Requests about open directories: OPENDIR, READDIR, READDIRPLUS, RELEASEDIR. */

#include "fs/internal.h"

#include "base/metric.h"

#include <errno.h>

static struct listing *listing_of(const struct fuse_file_info *fi)
{
	return (struct listing *)(uintptr_t)fi->fh;
}

static int run_opendir(struct call *c)
{
	return tree_opendir(c->fs->tree, c->node, &c->caller, &c->ask, &c->listing, &c->unchanged,
			    &c->err);
}

static void reply_opendir(struct call *c)
{
	c->fi.fh = (uintptr_t)c->listing;
	c->fi.cache_readdir = 1;
	c->fi.keep_cache = c->unchanged;
	if (fuse_reply_open(c->req, &c->fi) != 0)
		tree_closedir(c->fs->tree, c->listing);
}

static const struct op opendir_op = {.name = "opendir", .run = run_opendir, .reply = reply_opendir};

static void fs_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct call c = call_init(fs, req, &opendir_op);

	c.node = call_node(fs, ino);
	c.fi = *fi;
	call_start(&c);
}

static size_t add(fuse_req_t req, char *to, size_t room, const char *name, const struct view *view,
		  size_t next, bool full)
{
	struct fs *fs = fs_of(req);
	struct call c = {.fs = fs, .view = *view};
	struct fuse_entry_param e = call_entry(&c);

	if (full)
		return fuse_add_direntry_plus(req, to, room, name, &e, (off_t)next);
	return fuse_add_direntry(req, to, room, name, &view->attr, (off_t)next);
}

static void read_rows(fuse_req_t req, size_t size, off_t offset, struct fuse_file_info *fi,
		      bool full)
{
	struct fs *fs = fs_of(req);
	_cleanup_free_ char *rows = malloc(size);
	size_t used = 0;

	if (!rows) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	for (size_t i = (size_t)offset;; i++) {
		struct view view;
		const char *name = tree_dirent(fs->tree, listing_of(fi), i, full, &view);
		size_t n;

		if (!name)
			break;
		n = add(req, rows + used, size - used, name, &view, i + 1, full);
		if (n > size - used) {
			if (view.node)
				tree_forget(fs->tree, view.node, 1);
			break;
		}
		used += n;
	}
	metric_fuse("readdir", 0);
	fuse_reply_buf(req, rows, used);
}

static void fs_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		       struct fuse_file_info *fi)
{
	read_rows(req, size, offset, fi, false);
}

static void fs_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
			   struct fuse_file_info *fi)
{
	read_rows(req, size, offset, fi, true);
}

static void fs_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	tree_closedir(fs_of(req)->tree, listing_of(fi));
	fuse_reply_err(req, 0);
}

void ops_dir(struct fuse_lowlevel_ops *ops)
{
	ops->opendir = fs_opendir;
	ops->readdir = fs_readdir;
	ops->readdirplus = fs_readdirplus;
	ops->releasedir = fs_releasedir;
}
