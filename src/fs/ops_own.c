// SPDX-License-Identifier: Apache-2.0
/* Requests of our own helpers.
 *
 * Who waits by inotify(7) for a change is told by the kernel, of what is done to a file through it, and
 * of nothing else. So the helper does what a local writer would have done, after the fact, and here
 * nothing is made of it:
 *
 *      open, ftruncate, close   size and content are what they are: IN_MODIFY, IN_CLOSE_WRITE
 *      mknod, mkdir             the name, hidden until now, is there: IN_CREATE
 *      unlink, rmdir            the name, gone at the server, is gone: IN_DELETE
 *      look-up of CLEAR_NAME    another file under that name: the kernel drops its pages
 *      mknod of what it drops   the kernel looks the name up anew: see notify.c
 *
 * All is answered from memory: a helper that waited would be waited for. */

#include "fs/internal.h"

#include <errno.h>
#include <fcntl.h>

/* Without a handle: its other requests are known by that. */
void own_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	if ((fi->flags & O_ACCMODE) != O_WRONLY || (fi->flags & O_TRUNC)) {
		fuse_reply_err(req, EACCES);
		return;
	}
	fi->fh = 0;
	fi->keep_cache = 1;
	fi->noflush = 1;
	fuse_reply_open(req, fi);
}

/* Whatever path leads to it, or none: the kernel knows the file by its number, and drops its pages
 * when it hears of another time, or size, than it had. */
bool own_clear(fuse_req_t req)
{
	static const struct op none = {.name = "notice"};
	struct fs *fs = fs_of(req);
	struct call c = call_init(fs, req, &none);
	struct node *n = notifier_clears(fs->notifier);
	struct fuse_entry_param e;

	if (!n)
		return false;
	tree_taken_back(fs->tree, n, &c.view);
	e = call_entry(&c);
	if (fuse_reply_entry(req, &e) != 0)
		tree_forget(fs->tree, n, 1);
	return true;
}

void own_setattr(fuse_req_t req, fuse_ino_t ino)
{
	static const struct op none = {.name = "notice"};
	struct fs *fs = fs_of(req);
	struct call c = call_init(fs, req, &none);
	struct node *n = call_node(fs, ino);
	int r = -EBUSY;

	/* While somebody writes it the size that the kernel has is his. */
	if (!tree_is_written(fs->tree, n))
		r = tree_getattr(fs->tree, n, &c.caller, &c.ask, &c.view, NULL);
	if (r == 0)
		fuse_reply_attr(req, &c.view.attr, call_seconds(c.view.attr_ttl));
	else
		fuse_reply_err(req, r == PARKED ? EAGAIN : -r);
}

void own_make(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	static const struct op none = {.name = "notice"};
	struct fs *fs = fs_of(req);
	struct call c = call_init(fs, req, &none);
	struct fuse_entry_param e;
	int r = tree_appear(fs->tree, call_node(fs, parent), name, &c.ask, &c.view);

	if (r < 0) {
		fuse_reply_err(req, -r);
		return;
	}
	e = call_entry(&c);
	if (fuse_reply_entry(req, &e) != 0)
		tree_forget(fs->tree, c.view.node, 1);
}

void own_remove(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fs *fs = fs_of(req);

	fuse_reply_err(req, -tree_leave(fs->tree, call_node(fs, parent), name));
}
